// Thread pools: they are bounded, every task settles, and a failing thread harms neither the process nor other tasks.
import { once } from 'node:events';
import { MessageChannel, type MessagePort, threadId } from 'node:worker_threads';
import { afterEach, expect, it, jest } from '@jest/globals';
import { ThreadSettings } from '../../src/workers/threads/threads.settings.js';
import { ThreadPool } from '../../src/workers/threads/thread-pool.js';
import { threadFile, ThreadPools } from '../../src/workers/threads/thread-pools.js';
import { testConfig } from '../support/config.js';
import type { Misbehaviour } from '../support/jobs/misbehaving.thread.js';

jest.setTimeout(180_000); // each thread compiles its sources at the start, which is slow on a busy machine

const FILE = threadFile(import.meta.url, '../support/jobs/misbehaving.thread');
const opened: ThreadPools[] = [];

function openPools(env: Record<string, string> = {}): ThreadPools {
  const pools = new ThreadPools(testConfig('postgres://nowhere/none', env).get(ThreadSettings));
  opened.push(pools);
  return pools;
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((pools) => pools.onApplicationShutdown()));
});

function run(pools: ThreadPools, task: Misbehaviour, signal = new AbortController().signal): Promise<number> {
  const transfer = Object.values(task).filter((value): value is MessagePort => typeof value === 'object');
  return pools.run('render', FILE, task, { signal, transfer });
}

/** A task that runs until the test ends it. */
async function begin(pools: ThreadPools, signal?: AbortSignal): Promise<{ answer: Promise<number>; end: () => void }> {
  const { port1, port2 } = new MessageChannel();
  const answer = run(pools, { kind: 'after', begin: port2 }, signal);
  answer.catch(() => undefined); // awaited later
  await once(port1, 'message');
  return { answer, end: () => port1.postMessage('end') };
}

it('runs a file in another thread, and reuses the thread', async () => {
  const pools = openPools();
  const first = await run(pools, { kind: 'none' });
  expect(first).not.toBe(threadId);
  expect(await run(pools, { kind: 'none' })).toBe(first);
});

it('runs at most as many tasks at once as there are threads', async () => {
  const pools = openPools({ THREADS_RENDER: '2' });
  const running = [await begin(pools), await begin(pools)];
  let done = false;
  const third = run(pools, { kind: 'none' }).then(() => (done = true));
  expect(await pools.run('data', FILE, { kind: 'none' }, { signal: AbortSignal.timeout(20_000) })).toEqual(
    expect.any(Number),
  );
  expect(done).toBe(false); // although the other pool had the time to start a thread
  running[0]?.end();
  await third;
  running[1]?.end();
  const threads = await Promise.all(running.map(({ answer }) => answer));
  expect(new Set(threads).size).toBe(2);
});

it('rejects with the error that the thread threw', async () => {
  const failure = run(openPools(), { kind: 'throw', message: 'of its own' });
  await expect(failure).rejects.toMatchObject({ name: 'RangeError', message: 'of its own' });
});

it.each([
  ['ends by process.exit', { kind: 'exit' } as const, /exited with code: 3/],
  ['runs out of memory', { kind: 'memory' } as const, /memory/],
])('survives a thread that %s, and so does the next task of that thread', async (_how, task, message) => {
  const pools = openPools({ THREAD_MEMORY: '32' });
  const failure = run(pools, task);
  const next = run(pools, { kind: 'none' });
  await expect(failure).rejects.toThrow(message);
  expect(await next).toEqual(expect.any(Number));
});

it('ends a thread in an endless loop on abort, with the abort reason, and starts the next task', async () => {
  const pools = openPools();
  const { port1, port2 } = new MessageChannel();
  const stop = new AbortController();
  const failure = run(pools, { kind: 'spin', started: port2 }, stop.signal);
  const next = run(pools, { kind: 'none' });
  await once(port1, 'message');
  stop.abort(new Error('enough'));
  await expect(failure).rejects.toThrow('enough');
  expect(await next).toEqual(expect.any(Number));
});

it('refuses tasks that are aborted before or during their wait, and frees their place', async () => {
  const pools = openPools();
  const running = await begin(pools);
  const stop = new AbortController();
  const waiting = run(pools, { kind: 'none' }, stop.signal);
  const behind = run(pools, { kind: 'none' });
  stop.abort(new Error('gone'));
  await expect(waiting).rejects.toThrow('gone');
  await expect(run(pools, { kind: 'none' }, stop.signal)).rejects.toThrow('gone');
  running.end();
  expect(await running.answer).toBe(await behind);
});

it('fails the task, not the process, when its thread cannot start', async () => {
  const pool = new ThreadPool(1, 1); // too little memory for any thread to start
  const attempt = (): Promise<unknown> => pool.run(FILE, { kind: 'none' }, { signal: new AbortController().signal });
  await expect(Promise.all([attempt(), attempt()])).rejects.toThrow(/memory/);
  await expect(attempt()).rejects.toThrow(/memory/);
  await pool.close();
});

it('rejects running, waiting and new tasks once the shutdown begins', async () => {
  const pools = openPools();
  const running = await begin(pools);
  const waiting = run(pools, { kind: 'none' });
  const failures = Promise.allSettled([running.answer, waiting]);
  await pools.onApplicationShutdown();
  const stopping = { status: 'rejected', reason: expect.objectContaining({ message: 'The process is stopping' }) };
  expect(await failures).toEqual([stopping, stopping]);
  await expect(run(pools, { kind: 'none' })).rejects.toThrow('The process is stopping');
});
