// throttle limits log lines that a client can cause to one per period.
import { expect, it } from '@jest/globals';
import { throttle } from '../../src/shared/libs/throttle.js';

it('throttle runs the action at once, then once per period, and counts the skipped calls', () => {
  let now = 1_000;
  const seen: number[] = [];
  const act = throttle(60_000, () => now, (skipped) => seen.push(skipped)); // prettier-ignore
  act();
  expect(seen).toEqual([0]);
  for (let i = 0; i < 5; i++) act();
  now += 59_999;
  act();
  expect(seen).toEqual([0]);
  now += 1;
  act();
  expect(seen).toEqual([0, 6]);
  now += 60_000;
  act();
  expect(seen).toEqual([0, 6, 0]);
});
