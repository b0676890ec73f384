// Provides PostgreSQL: the connection, transactions, ids and the migration status.
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { DatabaseSettings } from './database.settings.js';
import { servingOptions } from './database.options.js';
import { MigrationStatus } from './migration-status.js';
import { PipelinedConnections } from './pipelined-connections.js';
import { SnowflakeIds } from './snowflake-ids.js';
import { Transaction } from './transaction.js';

@Global()
@Module({})
export class DatabaseModule {
  /** `url`: a running PostgreSQL; `main.ts` starts the embedded one before. */
  static for(url: string): DynamicModule {
    return {
      module: DatabaseModule,
      imports: [
        TypeOrmModule.forRootAsync({
          inject: [DatabaseSettings],
          useFactory: (settings: DatabaseSettings) => ({
            ...servingOptions(settings, url),
            autoLoadEntities: true,
            retryAttempts: 10,
            retryDelay: 1_000,
          }),
        }),
      ],
      providers: [Transaction, PipelinedConnections, SnowflakeIds, MigrationStatus],
      exports: [PipelinedConnections, Transaction, SnowflakeIds, MigrationStatus],
    };
  }
}
