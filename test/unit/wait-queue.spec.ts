// The wait queue: turns in order of arrival, time limits and abort signals.
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { WaitQueue } from '../../src/shared/libs/wait-queue.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const late = () => new Error('too late');

it('callers have their turns in order of arrival', async () => {
  const queue = new WaitQueue();
  const turns: number[] = [];
  const all = [1, 2, 3].map((caller) => queue.waitAtMost(1_000, late).then(() => turns.push(caller)));
  expect([queue.next(), queue.next(), queue.next(), queue.next()]).toEqual([true, true, true, false]);
  await Promise.all(all);
  expect(turns).toEqual([1, 2, 3]);
});

it('a caller that is late or aborted leaves the queue, and its turn goes to the next one', async () => {
  const queue = new WaitQueue();
  const abort = new AbortController();
  const tooLate = expect(queue.waitAtMost(10, late)).rejects.toThrow('too late');
  const aborted = expect(queue.waitUnlessAborted(abort.signal)).rejects.toThrow('given up');
  const third = queue.waitAtMost(1_000, late);
  jest.advanceTimersByTime(10);
  abort.abort(new Error('given up'));
  await Promise.all([tooLate, aborted]);
  expect(queue.length).toBe(1);
  expect(queue.next()).toBe(true);
  await third;
});

it('a caller with an aborted signal does not wait', () => {
  const queue = new WaitQueue();
  expect(() => queue.waitUnlessAborted(AbortSignal.abort(new Error('given up')))).toThrow('given up');
  expect(queue.length).toBe(0);
});
