// Creates the cache according to the settings: with or without Redis.
import type { DataSource } from 'typeorm';
import type { CacheSettings } from './cache.settings.js';
import type { Clock } from '../libs/clock.js';
import { Sealer } from '../libs/sealer.js';
import { DatabaseClock } from '../database/database-clock.js';
import type { PipelinedConnections } from '../database/pipelined-connections.js';
import type { Transaction } from '../database/transaction.js';
import { PostgresRelay } from '../pubsub/postgres.relay.js';
import { RedisRelay } from '../pubsub/redis.relay.js';
import type { Logger } from '../logging/logger.js';
import { CacheService } from './cache.service.js';
import { MAX_CHANGE_MS, MemoryStore } from './memory.store.js';
import type { Redis } from '../redis/redis.js';
import { RedisStore } from './redis.store.js';

/**
 * Each task that a client asks for leaves a stamp in Redis, existing or not, of some 180 bytes. So stamps live for little longer
 * than values.
 */
const MIN_STAMP_MS = 600_000;

export function createCache(
  { capacity, maxBytes, secret, ttl }: CacheSettings,
  redis: Redis | null,
  dataSource: DataSource,
  pipelined: PipelinedConnections,
  transaction: Transaction,
  clock: Clock,
  logger: Logger,
): CacheService {
  const memory = new MemoryStore(capacity, maxBytes);
  const databaseClock = new DatabaseClock(pipelined);
  const postgres = new PostgresRelay(dataSource, pipelined);
  if (!redis) return new CacheService(memory, null, [postgres], transaction, databaseClock, clock);
  const shared = new RedisStore(
    redis,
    MAX_CHANGE_MS,
    Math.max(MIN_STAMP_MS, 2 * ttl),
    new Sealer(secret, 'cache-value'),
    logger,
  );
  return new CacheService(memory, shared, [new RedisRelay(redis, secret), postgres], transaction, databaseClock, clock);
}
