// The Lua and the TypeScript rate limiter make the same decisions, for random arrivals and one fake clock.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { MemoryRateLimiter } from '../../src/shared/rate-limits/memory.rate-limiter.js';
import type { TakeResult } from '../../src/shared/rate-limits/rate-limiter.js';
import { ManualClock } from '../support/time/manual-clock.js';
import { below, pick, seeded } from '../support/fuzz/random.js';
import { REDIS_URL, redisAnswers } from '../support/engines/services.js';

const lua = (name: string): string => readFileSync(`src/shared/redis/lua/${name}-2.lua`, 'utf8');
/** Takes the time as an argument, in seconds and microseconds. */
const TAKE = lua('limit-take').replace("redis.call('TIME')", '{ tonumber(ARGV[6]), tonumber(ARGV[7]) }');
const REFUND = lua('limit-refund');

const suite = redisAnswers ? describe : describe.skip;
suite('the rate limiter script', () => {
  let client: Redis;
  beforeAll(() => void (client = new Redis(REDIS_URL)));
  afterAll(() => client.quit());

  it.each([1, 2, 3, 4, 5, 6])('the Lua and the TypeScript limiter agree on random arrivals, seed %i', async (seed) => {
    expect(TAKE).toContain('ARGV[6]');
    const random = seeded(seed);
    const clock = new ManualClock(1_763_700_000_000 + below(random, 1_000_000));
    const memory = new MemoryRateLimiter(clock);
    const keys = ['burst', 'sustained'].map((tier) => `test:{${randomUUID()}}:${tier}`);
    const burst = { quota: 3 + below(random, 10), window: 30 + below(random, 30) }; // keys expire in real time
    const sustained = { quota: 8 + below(random, 20), window: 60 + below(random, 300) };
    const args = [burst, sustained].flatMap(({ quota, window }) => [quota, window * 1000]);
    let last: TakeResult | undefined;
    for (let step = 0; step < 400; step++) {
      clock.time += below(random, pick(random, [1, 300, 2_000, 20_000, 90_000])) - pick(random, [0, 0, 0, 700, 9_000]);
      const cost = pick(random, [1, 1, 2, 5, 20]);
      if (last?.allowed && below(random, 5) === 0) {
        await client.eval(REFUND, 2, ...keys, ...args, cost, last.takenAt);
        memory.refund('ada', { burst, sustained }, cost, last);
      }
      const time = [Math.floor(clock.time / 1000), (clock.time % 1000) * 1000];
      const answer = await client.eval(TAKE, 2, ...keys, ...args, cost, ...time);
      last = memory.take('ada', { burst, sustained }, cost);
      const states = [last.burst, last.sustained].flatMap((s) => [s.allowed ? 1 : 0, s.remaining, s.resetMs]);
      expect([step, answer]).toEqual([step, [last.takenAt, ...states]]);
    }
    await client.del(...keys);
  });
});
