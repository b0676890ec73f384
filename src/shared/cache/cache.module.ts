// Provides the cache: in the memory of this process, and in Redis if one is configured.
import { Global, Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { AppConfig } from '../config/app-config.js';
import { ReadLanes } from '../database/read-lanes.js';
import { Transaction } from '../database/transaction.js';
import { Clock } from '../libs/clock.js';
import { LOGGER } from '../logging/logger.js';
import { Redis } from '../redis/redis.js';
import { CacheService } from './cache.service.js';
import { createCache } from './create-cache.js';

@Global()
@Module({
  providers: [
    {
      provide: CacheService,
      inject: [AppConfig, Redis, DataSource, ReadLanes, Transaction, Clock, LOGGER],
      useFactory: createCache,
    },
  ],
  exports: [CacheService],
})
export class CacheModule {}
