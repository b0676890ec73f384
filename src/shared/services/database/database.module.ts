// PostgreSQL for the whole house: connection, unit of work, ids, signals between processes.
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../../config/app-config.js';
import { Clock, SystemClock } from '../../libs/clock.js';
import { Signals } from '../events/signals.js';
import { servingOptions } from './database.options.js';
import { MigrationStatus } from './migration-status.js';
import { ReadLanes } from './read-lanes.js';
import { SnowflakeIds } from './snowflake-ids.js';
import { Transaction } from './transaction.js';

@Global()
@Module({})
export class DatabaseModule {
  /** `url`: a PostgreSQL that is there already; starting the embedded one is the door's business. */
  static for(url: string): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [AppConfig],
          useFactory: (config: AppConfig) => ({
            ...servingOptions(config, url),
            autoLoadEntities: true,
            retryAttempts: 10,
            retryDelay: 1_000,
          }),
        }),
      ],
      providers: [
        Transaction,
        ReadLanes,
        Signals,
        SnowflakeIds,
        MigrationStatus,
        { provide: Clock, useClass: SystemClock },
      ],
      exports: [ReadLanes, Signals, Transaction, SnowflakeIds, MigrationStatus, Clock],
    };
  }
}
