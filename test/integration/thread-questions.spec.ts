// A thread that asks questions: one at a time, and no answer has an effect after the end of the task.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, expect, it } from '@jest/globals';
import { ThreadSettings } from '../../src/workers/threads/threads.settings.js';
import { runAsking } from '../../src/workers/threads/thread-questions.js';
import { ThreadPools } from '../../src/workers/threads/thread-pools.js';
import { testConfig } from '../support/config.js';

const pools = new ThreadPools(testConfig('postgres://nowhere/none').get(ThreadSettings));
afterAll(() => pools.onApplicationShutdown());

const file = new URL('../support/jobs/asking.thread.mjs', import.meta.url).href;
const never = new AbortController().signal;

interface Asked {
  times: number;
  then?: string;
}
function ask(task: Asked, answer: (question: number) => Promise<unknown>, signal = never): Promise<unknown> {
  return runAsking(pools, { file, task, signal, answer });
}

it('answers one question after the other, and returns the result of the thread', async () => {
  let running = 0;
  const answer = async (question: number): Promise<number> => {
    expect(++running).toBe(1);
    await delay(1);
    running--;
    return 10 * question;
  };
  expect(await ask({ times: 5 }, answer)).toEqual([0, 10, 20, 30, 40]);
});

it('rejects with the error of an answer, and ends the thread', async () => {
  const failure = new Error('no such page');
  await expect(
    ask({ times: 5 }, (question) => (question < 2 ? Promise.resolve() : Promise.reject(failure))),
  ).rejects.toBe(failure);
  const uncloneable = (): Promise<unknown> => Promise.resolve(() => undefined);
  await expect(ask({ times: 1 }, uncloneable)).rejects.toThrow('could not be cloned');
  expect(await ask({ times: 1 }, async () => 'next')).toEqual(['next']);
});

it('rejects when the thread throws or dies, and the next task gets another thread', async () => {
  const answer = (): Promise<number> => Promise.resolve(1);
  await expect(ask({ times: 2, then: 'throw' }, answer)).rejects.toThrow('from the thread');
  await expect(ask({ times: 2, then: 'exit' }, answer)).rejects.toThrow();
  expect(await ask({ times: 1 }, answer)).toEqual([1]);
});

it('ends an endless thread when its job is over', async () => {
  const aborting = new AbortController();
  const reason = new Error('too slow');
  const answer = async (): Promise<void> => void setTimeout(() => aborting.abort(reason), 100);
  const spinning = ask({ times: 1, then: 'spin' }, answer, aborting.signal);
  await expect(spinning).rejects.toBe(reason);
  expect(await ask({ times: 1 }, async () => 1)).toEqual([1]);
});

it('rejects only after the current answer has ended', async () => {
  const aborting = new AbortController();
  let isOver = false;
  const answer = async (): Promise<void> => {
    aborting.abort(new Error('cancelled'));
    await delay(200);
    isOver = true;
  };
  await expect(ask({ times: 1 }, answer, aborting.signal)).rejects.toThrow('cancelled');
  expect(isOver).toBe(true);
});

it('begins no answer after it has rejected', async () => {
  let [begun, over] = [0, 0];
  for (let run = 0; run < 2; run++) {
    const answer = async (): Promise<void> => {
      begun++;
      await delay(20);
      over++;
    };
    await expect(ask({ times: 1, then: 'ask and exit' }, answer)).rejects.toThrow();
    expect(over).toBe(begun);
    await delay(50); // enough time for an answer that would begin now
    expect(over).toBe(begun);
  }
});
