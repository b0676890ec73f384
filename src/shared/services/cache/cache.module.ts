// Redis where there is one, and what stands on it: cache, locks, limits.
import { Global, Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppConfig } from '../../config/app-config.js';
import { Clock } from '../../libs/clock.js';
import { ReadLanes } from '../database/read-lanes.js';
import { Transaction } from '../database/transaction.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { CacheService } from './cache.service.js';
import { createCache } from './create-cache.js';
import { LockService } from './lock.service.js';
import { MemoryRateLimiter } from './memory.rate-limiter.js';
import { PostgresLock } from './postgres.lock.js';
import { RateLimiter } from './rate-limiter.js';
import { RedisLock } from './redis.lock.js';
import { RedisRateLimiter } from './redis.rate-limiter.js';
import { Redis } from './redis.js';

@Global()
@Module({
  providers: [
    {
      // Null where none is configured: everything below then works within PostgreSQL and this process.
      provide: Redis,
      inject: [AppConfig, LOGGER],
      useFactory: async ({ redis: { servers, ...rest } }: AppConfig, logger: Logger): Promise<Redis | null> => {
        if (!servers) return null;
        const redis = new Redis({ servers, ...rest }, logger);
        await redis.open();
        return redis;
      },
    },
    {
      provide: CacheService,
      inject: [AppConfig, Redis, DataSource, ReadLanes, Transaction, Clock, LOGGER],
      useFactory: createCache,
    },
    {
      provide: LockService,
      inject: [Redis, Transaction, DataSource],
      useFactory: (redis: Redis | null, transaction: Transaction, dataSource: DataSource): LockService =>
        redis ? new RedisLock(redis, transaction) : new PostgresLock(dataSource, transaction),
    },
    {
      provide: RateLimiter,
      inject: [Redis, Clock],
      useFactory: (redis: Redis | null, clock: Clock): RateLimiter =>
        redis ? new RedisRateLimiter(redis, clock) : new MemoryRateLimiter(clock),
    },
  ],
  exports: [CacheService, LockService, Redis, RateLimiter],
})
export class CacheModule {}
