// Provides the cache: in the memory of this process, and in Redis if one is configured.
import { Global, Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { CacheSettings } from './cache.settings.js';
import { PipelinedConnections } from '../database/pipelined-connections.js';
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
      inject: [CacheSettings, Redis, DataSource, PipelinedConnections, Transaction, Clock, LOGGER],
      useFactory: createCache,
    },
  ],
  exports: [CacheService],
})
export class CacheModule {}
