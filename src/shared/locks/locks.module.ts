// Provides locks between processes: in Redis if one is configured, else in PostgreSQL.
import { Global, Module } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Transaction } from '../database/transaction.js';
import { Redis } from '../redis/redis.js';
import { LockService } from './lock.service.js';
import { PostgresLock } from './postgres.lock.js';
import { RedisLock } from './redis.lock.js';

@Global()
@Module({
  providers: [
    {
      provide: LockService,
      inject: [Redis, Transaction, DataSource],
      useFactory: (redis: Redis | null, transaction: Transaction, dataSource: DataSource): LockService =>
        redis ? new RedisLock(redis, transaction) : new PostgresLock(dataSource, transaction),
    },
  ],
  exports: [LockService],
})
export class LocksModule {}
