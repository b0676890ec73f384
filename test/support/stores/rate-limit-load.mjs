// A process that uses a rate limit as fast as possible, for the test of several processes with one limit.
// Usage: node rate-limit-load.mjs REDIS_URL PREFIX CALLER QUOTA TRIES. Prints `ready`, starts on input, prints the passed count.
import { once } from 'node:events';
import { SystemClock } from '../../../dist/src/shared/libs/clock.js';
import { Redis } from '../../../dist/src/shared/redis/redis.js';
import { RedisRateLimiter } from '../../../dist/src/shared/rate-limits/redis.rate-limiter.js';

const IN_FLIGHT = 10;

const [url, prefix, caller, quota, tries] = process.argv.slice(2);
const silent = { warn: () => undefined, info: () => undefined };
const redis = new Redis({ servers: { url }, password: undefined, prefix }, silent);
await redis.open();
const limiter = new RedisRateLimiter(redis, new SystemClock());
const rate = { quota: Number(quota), window: 600 };
let passed = 0;
let wentAway = 0;
redis.onChange((up) => (wentAway += up ? 0 : 1));

console.log('ready');
await once(process.stdin, 'data');
for (let at = 0; at < Number(tries); at += IN_FLIGHT) {
  const takings = Array.from({ length: IN_FLIGHT }, () => limiter.take(caller, { burst: rate, sustained: rate }, 1));
  passed += (await Promise.all(takings)).filter(({ allowed }) => allowed).length;
}
console.log(JSON.stringify({ passed, wentAway }));
await redis.onApplicationShutdown();
process.stdin.destroy();
