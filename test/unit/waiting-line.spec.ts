// The waiting line: turns in order of arrival, time limits and abort signals.
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import { WaitingLine } from '../../src/shared/libs/waiting-line.js';

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

const late = () => new Error('too late');

it('callers have their turns in order of arrival', async () => {
  const line = new WaitingLine();
  const turns: number[] = [];
  const all = [1, 2, 3].map((caller) => line.waitAtMost(1_000, late).then(() => turns.push(caller)));
  expect([line.next(), line.next(), line.next(), line.next()]).toEqual([true, true, true, false]);
  await Promise.all(all);
  expect(turns).toEqual([1, 2, 3]);
});

it('a caller that is late or aborted leaves the line, and its turn goes to the next one', async () => {
  const line = new WaitingLine();
  const abort = new AbortController();
  const tooLate = expect(line.waitAtMost(10, late)).rejects.toThrow('too late');
  const aborted = expect(line.waitUnlessAborted(abort.signal)).rejects.toThrow('given up');
  const third = line.waitAtMost(1_000, late);
  jest.advanceTimersByTime(10);
  abort.abort(new Error('given up'));
  await Promise.all([tooLate, aborted]);
  expect(line.length).toBe(1);
  expect(line.next()).toBe(true);
  await third;
});

it('a caller with an aborted signal does not wait', () => {
  const line = new WaitingLine();
  expect(() => line.waitUnlessAborted(AbortSignal.abort(new Error('given up')))).toThrow('given up');
  expect(line.length).toBe(0);
});
