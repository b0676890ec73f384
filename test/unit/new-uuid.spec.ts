// New UUIDs are of version 7: their first 48 bits are the time, the rest is random and never repeats.
import { expect, it } from '@jest/globals';
import { newUuid } from '../../src/shared/libs/new-uuid.js';

it('creates different UUIDs of version 7 that contain the time', () => {
  const began = Date.now();
  const made = Array.from({ length: 10_000 }, () => newUuid()); // more than the random bytes that are kept
  for (const uuid of made) {
    expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const time = parseInt(uuid.replaceAll('-', '').slice(0, 12), 16);
    expect(time).toBeGreaterThanOrEqual(began);
    expect(time).toBeLessThanOrEqual(Date.now());
  }
  expect(new Set(made).size).toBe(made.length);
  expect(new Set(made.map((uuid) => uuid.slice(-12))).size).toBe(made.length);
});
