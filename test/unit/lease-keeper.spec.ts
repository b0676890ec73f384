// Leases of a process: which are renewed, and which it learns that it has lost.
import { afterEach, expect, it } from '@jest/globals';
import { LeaseKeeper } from '../../src/shared/libs/lease-keeper.js';
import { until } from '../support/time/until.js';

const keepers: Array<LeaseKeeper<string>> = [];
afterEach(() => keepers.splice(0).forEach((keeper) => keeper.stop()));

/** `renew` answers with the leases that still exist. */
function start(renew: (keys: readonly string[]) => Promise<string[]>) {
  const lost: string[] = [];
  const errors: unknown[] = [];
  const keeper = new LeaseKeeper<string>({
    leaseMs: 15,
    renew,
    onLost: (held) => void lost.push(held),
    onError: (error) => void errors.push(error),
  });
  keepers.push(keeper);
  keeper.start();
  return { keeper, lost, errors };
}

it('leases are renewed until they are released; without any, nothing is asked', async () => {
  const asked: string[] = [];
  const { keeper, lost } = start(async (keys) => {
    asked.push(keys.join());
    return [...keys];
  });
  keeper.hold('a', 'first');
  await until(() => asked.length >= 2, 'two renewals');
  keeper.hold('b', 'second');
  expect(keeper.release('a')).toBe('first');
  await until(() => asked.at(-1) === 'b', 'a renewal of the second alone');
  keeper.release('b');
  const many = asked.length;
  keeper.hold('c', 'third');
  await until(() => asked.length > many, 'the next renewal');
  expect(new Set(asked.slice(many))).toEqual(new Set(['c']));
  expect(lost).toEqual([]);
});

it('a lease that does not exist any more is lost, unless it was released or replaced meanwhile', async () => {
  let answer: (() => void) | undefined;
  const { keeper, lost } = start(() => new Promise((resolve) => (answer = () => resolve([]))));
  for (const key of ['a', 'b', 'c']) keeper.hold(key, `old ${key}`);
  const reply = await until(() => answer, 'a renewal');
  keeper.release('b');
  keeper.hold('c', 'new c');
  reply();
  await until(() => lost.length > 0, 'a loss');
  expect(lost).toEqual(['old a']);
});

it('a failed renewal is reported, and the next one follows', async () => {
  let renewals = 0;
  const { keeper, lost, errors } = start(async (keys) => {
    if (++renewals === 1) throw new Error('away');
    return [...keys];
  });
  keeper.hold('a', 'first');
  await until(() => renewals >= 2, 'the next renewal');
  expect(errors).toEqual([new Error('away')]);
  expect(lost).toEqual([]);
});
