// Cache services as several processes have them: separate memory and connections, one database, one Redis or none.
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { type Logger, pino } from 'pino';
import { CacheSettings } from '../../../src/shared/cache/cache.settings.js';
import { DatabaseSettings } from '../../../src/shared/database/database.settings.js';
import { RedisSettings } from '../../../src/shared/redis/redis.settings.js';
import type { CacheService } from '../../../src/shared/cache/cache.service.js';
import { createCache } from '../../../src/shared/cache/create-cache.js';
import { Redis, RedisUnavailableError } from '../../../src/shared/redis/redis.js';
import { servingOptions } from '../../../src/shared/database/database.options.js';
import { PipelinedConnections } from '../../../src/shared/database/pipelined-connections.js';
import { Transaction } from '../../../src/shared/database/transaction.js';
import { ManualClock } from '../time/manual-clock.js';
import { testConfig } from '../config.js';
import { until } from '../time/until.js';

export interface CacheInstance {
  readonly cache: CacheService;
  readonly redis: Redis | null;
  readonly transaction: Transaction;
  readonly clock: ManualClock;
  /** Waits until the cache may serve from its memory, and uses Redis if there is one. */
  ready(): Promise<void>;
  /** The epoch of the values in Redis that it uses. */
  epoch(): string | undefined;
  close(): Promise<void>;
}

/** `env`: REDIS_URL or REDIS_CLUSTER_NODES, REDIS_PREFIX, limits of the cache. */
export async function openCache(
  databaseUrl: string,
  env: Record<string, string> = {},
  logger: Logger = pino({ enabled: false }),
): Promise<CacheInstance> {
  const config = testConfig(databaseUrl, env);
  const { servers, ...rest } = config.get(RedisSettings);
  const redis = servers ? new Redis({ servers, ...rest }, logger) : null;
  await redis?.open();
  const dataSource = await new DataSource(servingOptions(config.get(DatabaseSettings), databaseUrl)).initialize();
  // Without a timeout, a wait for a connection that never comes hangs.
  (dataSource.driver as unknown as { master: pg.Pool }).master.options.connectionTimeoutMillis = 0;
  const pipelined = new PipelinedConnections(dataSource);
  const transaction = new Transaction(dataSource, pipelined, logger);
  const clock = new ManualClock();
  const cache = createCache(config.get(CacheSettings), redis, dataSource, pipelined, transaction, clock, logger);
  const { coherence, shared } = cache as unknown as { coherence: { holdsLease: boolean }; shared?: { epoch: string } };
  return {
    cache,
    redis,
    transaction,
    clock,
    ready: async () => {
      let loads = 0;
      await until(async () => {
        const before = loads;
        await cache.wrap('is it ready?', { ttl: 60_000, tags: [] }, async () => ++loads);
        await cache.wrap('is it ready?', { ttl: 60_000, tags: [] }, async () => ++loads);
        const { redisSize } = await cache.status();
        return loads === before && coherence.holdsLease && (redisSize !== null || !redis);
      }, 'the cache to hold its lease');
    },
    epoch: () => shared?.epoch,
    close: async () => {
      await cache.beforeApplicationShutdown();
      await cache.onApplicationShutdown();
      if (redis) await forget(redis);
      await redis?.onApplicationShutdown();
      await pipelined.onApplicationShutdown();
      await dataSource.destroy();
    },
  };
}

/** Waits until all are ready and use the same values in Redis: of processes that start at once, each begins a new epoch. */
export async function allReady(...caches: CacheInstance[]): Promise<void> {
  await Promise.all(caches.map((cache) => cache.ready()));
  await until(() => new Set(caches.map((cache) => cache.epoch())).size === 1, 'the caches to know the last epoch');
}

/** Deletes the keys of this suite, because the Redis of the machine may be shared. */
async function forget(redis: Redis): Promise<void> {
  try {
    for await (const keys of redis.scan(`${redis.prefix}:*`))
      for (const key of keys) await redis.run((client) => client.unlink(key));
  } catch (error) {
    if (!(error instanceof RedisUnavailableError)) throw error; // a server that the test has killed
  }
}
