// The delay before a retry grows with each attempt, has a cap and is random.
import { expect, it } from '@jest/globals';
import { exponential } from '../../src/shared/libs/backoff.js';

it('the maximum delay doubles with each attempt up to the cap', () => {
  const longest = exponential(100, 1_000, () => 1);
  expect([1, 2, 3, 4, 5, 60].map(longest)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
});

it('the delay is a random value between zero and the maximum', () => {
  expect([0, 0.25, 0.5].map((random) => exponential(100, 1_000, () => random)(2))).toEqual([0, 50, 100]);
  const waits = new Set(Array.from({ length: 50 }, () => exponential(1_000_000)(1)));
  expect(waits.size).toBeGreaterThan(40);
});
