// The Lua and the TypeScript rate limiter make the same decisions, for random arrivals and one fake clock.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { MemoryRateLimiter } from '../../src/shared/rate-limits/memory.rate-limiter.js';
import { type Caller, callerAt, type TakeResult } from '../../src/shared/rate-limits/rate-limiter.js';
import { RedisRateLimiter } from '../../src/shared/rate-limits/redis.rate-limiter.js';
import type { Redis as AppRedis } from '../../src/shared/redis/redis.js';
import { ManualClock } from '../support/time/manual-clock.js';
import { below, pick, seeded } from '../support/fuzz/random.js';
import { REDIS_URL, redisAnswers } from '../support/engines/services.js';

const lua = (name: string): string => readFileSync(`src/shared/redis/lua/${name}-n.lua`, 'utf8');
/** Takes the time as an argument, in seconds and microseconds. */
const TAKE = lua('limit-take').replace("redis.call('TIME')", '{ tonumber(ARGV[#ARGV - 1]), tonumber(ARGV[#ARGV]) }');
const REFUND = lua('limit-refund');

const suite = redisAnswers ? describe : describe.skip;
suite('the rate limiter script', () => {
  let client: Redis;
  beforeAll(() => void (client = new Redis(REDIS_URL)));
  afterAll(() => client.quit());

  it.each([1, 2, 3, 4, 5, 6])('the Lua and the TypeScript limiter agree on random arrivals, seed %i', async (seed) => {
    expect(TAKE).toContain('ARGV[#ARGV]');
    const random = seeded(seed);
    const clock = new ManualClock(1_763_700_000_000 + below(random, 1_000_000));
    const memory = new MemoryRateLimiter(clock);
    const keys = new Set<string>();
    const run = (name: string, keysOfCall: string[], args: number[]): Promise<unknown> => {
      for (const key of keysOfCall) keys.add(key);
      const time = [Math.floor(clock.time / 1000), (clock.time % 1000) * 1000];
      const [script, all] = name === 'limit-take' ? [TAKE, [...args, ...time]] : [REFUND, args];
      return client.eval(script, keysOfCall.length, ...keysOfCall, ...all);
    };
    const redis = { isUp: true, prefix: `test-${randomUUID()}`, script: run } as unknown as AppRedis;
    const limiter = new RedisRateLimiter(redis, clock);
    const burst = { quota: 3 + below(random, 10), window: 30 + below(random, 30) }; // keys expire in real time
    const rates = { burst, sustained: { quota: 8 + below(random, 20), window: 60 + below(random, 300) } };
    const crowd = Array.from({ length: 80 }, (_, at) => `2001:db8:1:${at}::1`); // uses up its /48
    const callers = ['ada', ...['192.0.2.1', '2001:db8:2::1', ...crowd].map((ip) => callerAt(ip, 'login'))];
    let last: [Caller, number, TakeResult] | undefined;
    let [refusedBySite, steps] = [0, 0];
    for (const [size, many, pace] of [
      [1, 400, 1],
      [4, 400, 1],
      [callers.length, 1_000, 600],
    ] as const)
      for (let step = 0; step < many; step++, steps++) {
        const passed =
          below(random, pick(random, [1, 300, 2_000, 20_000, 90_000])) - pick(random, [0, 0, 0, 700, 9_000]);
        clock.time += Math.round(passed / pace);
        const cost = pick(random, [1, 1, 2, 5, 20]);
        if (last?.[2].allowed && below(random, 5) === 0) {
          await limiter.refund(last[0], rates, last[1], last[2]);
          memory.refund(last[0], rates, last[1], last[2]);
        }
        const caller = callers[below(random, size)] as Caller;
        const taken = await limiter.take(caller, rates, cost);
        expect([steps, taken]).toEqual([steps, memory.take(caller, rates, cost)]);
        last = [caller, cost, taken];
        if (!taken.allowed && (taken.burst.ofSite || taken.sustained.ofSite)) refusedBySite++;
      }
    expect(refusedBySite).toBeGreaterThan(10);
    await client.del(...keys);
  });
});
