// Rate limiters as several processes have them: each has its own connection to one Redis or one cluster.
import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { RedisSettings } from '../../../src/shared/redis/redis.settings.js';
import type { Rates } from '../../../src/shared/rate-limits/rate-limiter.js';
import { SystemClock } from '../../../src/shared/libs/clock.js';
import { Redis } from '../../../src/shared/redis/redis.js';
import { RedisRateLimiter } from '../../../src/shared/rate-limits/redis.rate-limiter.js';
import { testConfig } from '../config.js';
import { until } from '../time/until.js';

export interface LimiterInstance {
  readonly limiter: RedisRateLimiter;
  readonly redis: Redis;
  close(): Promise<void>;
}

/** `env`: REDIS_URL or REDIS_CLUSTER_NODES, and REDIS_PREFIX. */
export async function openLimiter(env: Record<string, string>): Promise<LimiterInstance> {
  const { servers, ...rest } = testConfig('postgres://no.database', env).get(RedisSettings);
  if (!servers) throw new Error('Name a Redis.');
  const redis = new Redis({ servers, ...rest }, pino({ enabled: false }));
  await redis.open();
  await until(() => redis.isUp, 'Redis to answer'); // a new cluster may need a moment
  return { limiter: new RedisRateLimiter(redis, new SystemClock()), redis, close: () => redis.onApplicationShutdown() };
}

/** Returns a unique caller; all keys of callers with one `tag` can be found. */
export const newCaller = (): string => `test:${randomUUID()}`;

/** Parses `5/10` and `10/60`, the format of the environment variables. */
export function ratesOf(burst: string, sustained: string): Rates {
  const rate = (text: string) => {
    const [quota, window] = text.split('/').map(Number) as [number, number];
    return { quota, window };
  };
  return { burst: rate(burst), sustained: rate(sustained) };
}
