// Creates the cache according to the settings: with or without Redis.
import type { DataSource } from 'typeorm';
import type { CacheSettings } from './cache.settings.js';
import type { Clock } from '../libs/clock.js';
import { Sealer } from '../libs/sealer.js';
import type { ReadLanes } from '../database/read-lanes.js';
import type { Transaction } from '../database/transaction.js';
import { PostgresRelay } from '../pubsub/postgres.relay.js';
import { RedisRelay } from '../pubsub/redis.relay.js';
import type { Logger } from '../logging/logger.js';
import { CacheService } from './cache.service.js';
import { MAX_CHANGE_MS, MemoryStore } from './memory.store.js';
import type { Redis } from '../redis/redis.js';
import { RedisStore } from './redis.store.js';

export function createCache(
  { capacity, maxBytes, secret }: CacheSettings,
  redis: Redis | null,
  dataSource: DataSource,
  lanes: ReadLanes,
  transaction: Transaction,
  clock: Clock,
  logger: Logger,
): CacheService {
  const memory = new MemoryStore(capacity, maxBytes);
  const postgres = new PostgresRelay(dataSource, lanes);
  if (!redis) return new CacheService(memory, null, [postgres], transaction, clock);
  const shared = new RedisStore(redis, MAX_CHANGE_MS, new Sealer(secret, 'cache-value'), logger);
  return new CacheService(memory, shared, [new RedisRelay(redis, secret), postgres], transaction, clock);
}
