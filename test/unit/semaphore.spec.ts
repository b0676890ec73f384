// The semaphore: running, waiting and refused callers, and groups that take turns.
import { EventEmitter, once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { KeyedSemaphore, Semaphore, SemaphoreFullError } from '../../src/shared/libs/semaphore.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Work that ends when the test ends it. */
function work() {
  const gate = new EventEmitter();
  const ended = once(gate, 'end').then(() => 'done');
  return { run: jest.fn(() => ended), end: () => gate.emit('end') };
}

it('the semaphore runs as many callers as it permits, and the others in order of arrival', async () => {
  const semaphore = new Semaphore(2, 10, 1_000);
  const works = [work(), work(), work(), work()];
  const last = work();
  const results = works.map(({ run }) => semaphore.run(run));
  const started = () => [...works, last].map(({ run }) => run.mock.calls.length);
  expect(started()).toEqual([1, 1, 0, 0, 0]);
  works[1]?.end();
  await expect(results[1]).resolves.toBe('done');
  results.push(semaphore.run(last.run));
  expect(started()).toEqual([1, 1, 1, 0, 0]);
  for (const { end } of [...works, last]) end();
  await expect(Promise.all(results)).resolves.toHaveLength(5);
});

it('the semaphore refuses at once when its queue is full', async () => {
  const semaphore = new Semaphore(1, 1, 1_000);
  const [running, waiting, refused] = [work(), work(), work()];
  const results = [semaphore.run(running.run), semaphore.run(waiting.run)];
  await expect(semaphore.run(refused.run)).rejects.toThrow(SemaphoreFullError);
  expect(refused.run).not.toHaveBeenCalled();
  running.end();
  waiting.end();
  await Promise.all(results);
});

it('the semaphore refuses a caller that waits too long, and frees its place in the queue', async () => {
  const semaphore = new Semaphore(1, 1, 1_000);
  const [running, late, next] = [work(), work(), work()];
  const first = semaphore.run(running.run);
  const refused = expect(semaphore.run(late.run)).rejects.toThrow('waited 1000 ms');
  await jest.advanceTimersByTimeAsync(1_000);
  await refused;
  const second = semaphore.run(next.run);
  running.end();
  next.end();
  await expect(Promise.all([first, second])).resolves.toEqual(['done', 'done']);
  expect(late.run).not.toHaveBeenCalled();
});

it('the timeout of the wait ends when the caller enters', async () => {
  const semaphore = new Semaphore(1, 1, 1_000);
  const [first, second, third] = [work(), work(), work()];
  const results = [semaphore.run(first.run), semaphore.run(second.run)];
  await jest.advanceTimersByTimeAsync(600);
  first.end();
  await results[0];
  results.push(semaphore.run(third.run));
  await jest.advanceTimersByTimeAsync(600);
  second.end();
  third.end();
  await expect(Promise.all(results)).resolves.toHaveLength(3);
});

it('the semaphore returns the permit after a failure', async () => {
  const semaphore = new Semaphore(1, 0, 1_000);
  for (let time = 0; time < 3; time++) {
    await expect(semaphore.run(() => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
  }
  const last = work();
  last.end();
  await expect(semaphore.run(last.run)).resolves.toBe('done');
});

describe('a semaphore whose queue one group has filled', () => {
  /** One task of the group runs, and four wait. */
  function flooded() {
    const semaphore = new Semaphore(1, 4, 1_000);
    const works = [work(), work(), work(), work(), work()];
    const results = works.map(({ run }) => semaphore.run(run, 'flood').catch((error: Error) => error.message));
    return { semaphore, works, results };
  }

  it('runs a task of another group next, in the place of the newest task of the large group', async () => {
    const { semaphore, works, results } = flooded();
    const other = work();
    const result = semaphore.run(other.run, 'other');
    await expect(results[4]).resolves.toBe('queue is full');
    works[0]?.end();
    works[1]?.end();
    await results[1]; // it was the turn of its group
    expect([other, ...works].map(({ run }) => run.mock.calls.length)).toEqual([1, 1, 1, 0, 0, 0]);
    for (const { end } of [other, ...works]) end();
    await expect(result).resolves.toBe('done');
    await expect(Promise.all(results)).resolves.toEqual(['done', 'done', 'done', 'done', 'queue is full']);
  });

  it('refuses further tasks of that group, and keeps half of the places for another group at most', async () => {
    const { semaphore, works, results } = flooded();
    await expect(semaphore.run(work().run, 'flood')).rejects.toThrow(SemaphoreFullError);
    const others = [work(), work(), work()];
    const found = others.map(({ run }) => semaphore.run(run, 'other').catch((error: Error) => error.message));
    for (const { end } of [...works, ...others]) end();
    await expect(Promise.all(found)).resolves.toEqual(['done', 'done', 'queue is full']);
    await expect(Promise.all(results)).resolves.toEqual(['done', 'done', 'done', 'queue is full', 'queue is full']);
  });
});

it('a keyed semaphore lets the work of one key wait, and not that of another', async () => {
  const keyed = new KeyedSemaphore(1, 1, 1_000);
  const [first, second, other] = [work(), work(), work()];
  const results = [keyed.run('a', first.run), keyed.run('a', second.run), keyed.run('b', other.run)];
  await expect(keyed.run('a', work().run)).rejects.toThrow(SemaphoreFullError);
  expect([first, second, other].map(({ run }) => run.mock.calls.length)).toEqual([1, 0, 1]);
  for (const one of [first, second, other]) one.end();
  await expect(Promise.all(results)).resolves.toEqual(['done', 'done', 'done']);
  const again = work();
  again.end();
  await expect(keyed.run('a', again.run)).resolves.toBe('done');
});
