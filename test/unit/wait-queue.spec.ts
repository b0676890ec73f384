// The wait queue: turns in order of arrival and by group, displaced callers, time limits and abort signals.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
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

describe('groups of callers', () => {
  /** Adds callers; `turns` and `left` have the names of those that had their turn, or had to leave. */
  function line() {
    const queue = new WaitQueue();
    const turns: string[] = [];
    const left: string[] = [];
    const add = (name: string) =>
      queue.waitAtMost(1_000, late, name.charAt(0)).then(
        () => void turns.push(name),
        () => void left.push(name),
      );
    const displace = (group: string) => queue.displaceFor(group, () => new Error('displaced'));
    return { queue, turns, left, add, displace };
  }
  const settled = () => jest.advanceTimersByTimeAsync(0);

  it('take turns, and the callers of one group have theirs in order of arrival', async () => {
    const { queue, turns, add } = line();
    for (const name of ['a1', 'a2', 'a3', 'b1', 'a4', 'c1', 'b2']) void add(name);
    queue.next();
    queue.next();
    void add('d1');
    while (queue.next());
    await settled();
    expect(turns).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'd1', 'a3', 'a4']);
    expect(queue.length).toBe(0);
  });

  it('the newest caller of the largest group leaves for a caller of a group with fewer', async () => {
    const { queue, turns, left, add, displace } = line();
    for (const name of ['b1', 'a1', 'a2', 'a3', 'b2']) void add(name);
    expect([displace('a'), displace('b')]).toEqual([false, false]); // b would only change places with a
    expect([displace('c'), queue.length]).toEqual([true, 4]);
    expect([displace('c'), queue.length]).toEqual([true, 3]);
    expect([queue.next(), queue.next(), queue.next(), queue.next()]).toEqual([true, true, true, false]);
    await settled();
    expect([turns, left]).toEqual([
      ['b1', 'a1', 'b2'],
      ['a3', 'a2'],
    ]);
    expect(jest.getTimerCount()).toBe(0); // those of the displaced ones ended, too
  });

  it('of one caller each keep their places', () => {
    const { add, displace } = line();
    for (const name of ['a1', 'b1', 'c1']) void add(name);
    expect(displace('d')).toBe(false);
  });

  it('a caller that is late leaves its group only', async () => {
    const { queue, turns, left, add } = line();
    void add('a1');
    await jest.advanceTimersByTimeAsync(600);
    for (const name of ['a2', 'b1']) void add(name);
    await jest.advanceTimersByTimeAsync(600);
    expect([left, queue.length]).toEqual([['a1'], 2]);
    while (queue.next());
    await settled();
    expect(turns).toEqual(['a2', 'b1']);
  });
});
