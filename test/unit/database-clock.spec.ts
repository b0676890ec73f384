// The lower bound of PostgreSQL's clock: from a reading that is at most ten seconds old.
import { afterEach, expect, it, jest } from '@jest/globals';
import { DatabaseClock } from '../../src/shared/database/database-clock.js';
import type { PipelinedConnections } from '../../src/shared/database/pipelined-connections.js';

afterEach(() => void jest.restoreAllMocks());

it('goes on from the last reading, which it renews after five seconds and no longer uses after ten', async () => {
  let now = 0;
  let clockMs = 1_000_000;
  jest.spyOn(performance, 'now').mockImplementation(() => now);
  const query = jest.fn(async () => [{ ms: clockMs }]);
  const clock = new DatabaseClock({ query } as unknown as PipelinedConnections);
  expect(await clock.lowerBoundAt(0)).toBe(1_000_000);
  now = 4_000;
  expect(await clock.lowerBoundAt(3_000)).toBe(1_003_000);
  expect(query).toHaveBeenCalledTimes(1);

  now = 6_000;
  clockMs = 900_000; // set back
  expect(await clock.lowerBoundAt(6_000)).toBe(1_006_000);
  expect(query).toHaveBeenCalledTimes(2);
  expect(await clock.lowerBoundAt(6_000)).toBe(900_000);

  now = 20_000;
  clockMs = 500_000;
  expect(await clock.lowerBoundAt(19_000)).toBe(499_000);
});
