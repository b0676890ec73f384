// The in-memory rate limiter with a fake clock: its guarantee for all arrival patterns, and clock changes.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { MemoryRateLimiter } from '../../src/shared/rate-limits/memory.rate-limiter.js';
import { type Caller, callerAt, refusedTier, retryAfterOf } from '../../src/shared/rate-limits/rate-limiter.js';
import { ManualClock } from '../support/time/manual-clock.js';
import { below, pick, type Random, seeded } from '../support/fuzz/random.js';
import { ratesOf } from '../support/stores/rate-limiters.js';

interface Passed {
  at: number;
  cost: number;
}

/** Returns the largest number of passed attempts within `ms`, both ends included. */
function mostWithin(ms: number, passed: readonly Passed[]): number {
  let [max, sum, first] = [0, 0, 0];
  for (const { at, cost } of passed) {
    sum += cost;
    for (; (passed[first] as Passed).at < at - ms; first++) sum -= (passed[first] as Passed).cost;
    max = Math.max(max, sum);
  }
  return max;
}

/** An attempt that costs more than the quota counts as the whole quota. */
const pricedBy = (quota: number, passed: readonly Passed[]): Passed[] =>
  passed.map(({ at, cost }) => ({ at, cost: Math.min(cost, quota) }));

const sumSince = (since: number, passed: readonly Passed[]): number =>
  passed.filter(({ at }) => at > since).reduce((sum, { cost }) => sum + cost, 0);

/** Pauses of all sizes: none, within a slot, about a slot, about a window. */
function pause(random: Random, windowMs: number): number {
  return below(random, pick(random, [1, 2, windowMs / 120, windowMs / 30, windowMs / 3, windowMs * 1.5]));
}

it.each(Array.from({ length: 20 }, (_, seed) => seed))('random arrivals keep the quota, seed %i', (seed) => {
  const random = seeded(seed);
  const clock = new ManualClock(1_763_700_000_000 + below(random, 1_000_000));
  const limiter = new MemoryRateLimiter(clock);
  const burst = { quota: 1 + below(random, 12), window: 1 + below(random, 13) };
  const sustained = { quota: burst.quota + below(random, 20), window: burst.window + below(random, 100) };
  const rates = { burst, sustained };
  const passed: Passed[] = [];
  for (let step = 0; step < 700; step++) {
    clock.time += pause(random, pick(random, [burst, sustained]).window * 1000);
    const cost = pick(random, [1, 1, 1, 2, 3]);
    const taking = limiter.take('ada', rates, cost);
    if (taking.allowed) passed.push({ at: clock.time, cost });
    else {
      const tier = refusedTier(taking) as 'burst' | 'sustained';
      const { quota, window } = rates[tier];
      // A refusal is justified: the attempts within one window and one slot exceed the quota.
      const counted = sumSince(clock.time - window * 1000 * (61 / 60) - 1, pricedBy(quota, passed));
      expect(counted + Math.min(cost, quota)).toBeGreaterThan(quota);
      // After at max this time a whole quota is free again, so every attempt passes this tier.
      clock.time += taking[tier].resetMs - 1;
      expect(limiter.take('ada', rates, cost)[tier].allowed).toBe(false);
      clock.time += 1;
      const second = limiter.take('ada', rates, cost);
      expect(second[tier].allowed).toBe(true);
      if (second.allowed) passed.push({ at: clock.time, cost });
    }
  }
  expect(passed.length).toBeGreaterThan(100);
  for (const { quota, window } of [burst, sustained])
    expect(mostWithin(window * 1000, pricedBy(quota, passed))).toBeLessThanOrEqual(quota);
});

describe('a clock that steps back', () => {
  const rates = ratesOf('5/10', '99/60');
  const taken = (limiter: MemoryRateLimiter, tries: number): number =>
    Array.from({ length: tries }, () => limiter.take('ada', rates, 1)).filter(({ allowed }) => allowed).length;

  it.each([1, 500, 3_000, 10_000])('by %i ms grants no second quota', (back) => {
    const clock = new ManualClock(1_763_700_012_345);
    const limiter = new MemoryRateLimiter(clock);
    expect(taken(limiter, 3)).toBe(3);
    clock.time -= back;
    expect(taken(limiter, 9)).toBe(2);
    clock.time += back;
    expect(taken(limiter, 9)).toBe(0);
  });

  it('by an hour does not lock callers out for an hour', () => {
    const clock = new ManualClock();
    const limiter = new MemoryRateLimiter(clock);
    expect(taken(limiter, 9)).toBe(5);
    clock.time -= 3_600_000;
    expect(taken(limiter, 9)).toBe(5);
  });
});

describe('the maximum of callers', () => {
  const rates = ratesOf('1/10', '9/60');
  let limiter: MemoryRateLimiter;
  beforeEach(() => void (limiter = new MemoryRateLimiter(new ManualClock(), 3)));
  const passes = (caller: Caller): boolean => limiter.take(caller, rates, 1).allowed;
  const at = (address: string): boolean => passes(callerAt(address, 'login'));

  it('evicts the least recently seen', () => {
    expect(['ada', 'bob', 'cyd'].map(passes)).toEqual([true, true, true]);
    expect(passes('ada')).toBe(false);
    expect(passes('dan')).toBe(true);
    expect(['ada', 'bob'].map(passes)).toEqual([false, true]);
  });

  it.each([
    ['of /64 networks', (n: number) => `2001:db8:1:${n}::1`],
    ['of /48 networks', (n: number) => `2001:db8:${n}::1`],
    ['of IPv4 addresses', (n: number) => `192.0.2.${n}`],
  ])('a flood %s does not reset the count of an account', (_which, addressOf) => {
    expect(passes('login:of a victim')).toBe(true);
    for (let n = 0; n < 60; n++) expect(at(addressOf(n))).toBe(true);
    expect(passes('login:of a victim')).toBe(false);
  });

  it('a flood of networks does not reset the count of their /48', () => {
    for (let n = 0; n < 64; n++) expect(at(`2001:db8:1:${n}::1`)).toBe(true);
    for (let n = 0; n < 60; n++) expect(at(`192.0.2.${n}`)).toBe(true);
    expect(at('2001:db8:1:ff::1')).toBe(false);
  });

  it('a /48 whose quota is used up evicts no other network', () => {
    for (let n = 0; n < 64; n++) expect(at(`2001:db8:1:${n}::1`)).toBe(true);
    expect(at('192.0.2.1')).toBe(true);
    for (let n = 100; n < 200; n++) expect(at(`2001:db8:1:${n}::1`)).toBe(false);
    expect(at('192.0.2.1')).toBe(false);
  });

  it('a caller whose attempts were refunded evicts no other', () => {
    expect(passes('ada')).toBe(true);
    for (let n = 0; n < 10; n++) {
      const caller = `other ${n}`;
      limiter.refund(caller, rates, 1, limiter.take(caller, rates, 1));
    }
    expect(passes('ada')).toBe(false);
  });
});

it('a late refund changes nothing', () => {
  const clock = new ManualClock();
  const limiter = new MemoryRateLimiter(clock);
  const rates = ratesOf('5/10', '5/20');
  const taking = limiter.take('ada', rates, 3);
  clock.time += 60_000;
  expect(limiter.take('ada', rates, 5).allowed).toBe(true);
  limiter.refund('ada', rates, 3, taking);
  expect(limiter.take('ada', rates, 1)).toMatchObject({ allowed: false, burst: { remaining: 0 } });
});

it('a refusal names the tier with the longer wait, in whole seconds from 1', () => {
  const [fine, short, long] = [
    { allowed: true, remaining: 1, resetMs: 9_999_999, ofSite: false },
    { allowed: false, remaining: 0, resetMs: 1, ofSite: false },
    { allowed: false, remaining: 0, resetMs: 10_001, ofSite: false },
  ];
  const of = (burst: typeof fine, sustained: typeof fine) =>
    refusedTier({ allowed: false, takenAt: 0, burst, sustained });
  expect([of(fine, fine), of(short, fine), of(fine, short), of(short, long), of(long, short)]).toEqual([
    null,
    'burst',
    'sustained',
    'sustained',
    'burst',
  ]);
  expect([short, long].map(retryAfterOf)).toEqual(['1', '11']);
});
