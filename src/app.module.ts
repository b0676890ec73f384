// The table of contents: one line per module, from the lowest layer up.
import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CacheAdminModule } from './cache-admin/cache-admin.module.js';
import { CommonModule } from './common/common.module.js';
import { DocsModule } from './common/http/docs/docs.module.js';
import { RequestLimitsModule } from './common/http/limits/request-limits.module.js';
import { RequestsModule } from './requests/requests.module.js';
import { FilesModule } from './files/files.module.js';
import { HealthModule } from './health/health.module.js';
import type { AppConfig } from './shared/config/app-config.js';
import { CacheModule } from './shared/cache/cache.module.js';
import { DatabaseModule } from './shared/database/database.module.js';
import { LocksModule } from './shared/locks/locks.module.js';
import type { Logger } from './shared/logging/logger.js';
import { PubsubModule } from './shared/pubsub/pubsub.module.js';
import { RateLimitsModule } from './shared/rate-limits/rate-limits.module.js';
import { RedisModule } from './shared/redis/redis.module.js';
import { SharedModule } from './shared/shared.module.js';
import { StorageModule } from './storage/storage.module.js';
import { TasksModule } from './tasks/tasks.module.js';
import { UsersModule } from './users/users.module.js';
import { WorkersModule } from './workers/workers.module.js';

@Module({})
export class AppModule {
  static for(config: AppConfig, databaseUrl: string, logger: Logger): DynamicModule {
    return {
      module: AppModule,
      imports: [
        SharedModule.for(config, logger), // settings, logger, events
        DatabaseModule.for(databaseUrl), //  PostgreSQL, unit of work, ids
        RedisModule, //                      Redis, where one is configured
        PubsubModule, //                     signals between processes
        CacheModule, //                      reads that are remembered
        LocksModule, //                      one process at a time
        RateLimitsModule, //                 counters of rate limits
        CommonModule, //                     what repositories share, the catalogue of problems
        RequestLimitsModule.for(config), //  how much of it all one caller may use
        RequestsModule, //                   cancelled while they run, sent many at once
        WorkersModule, //                    background jobs: queue, runner, threads
        AuthModule, //                       sessions, tokens, the guard before every route
        UsersModule, //                      accounts
        StorageModule, //                    bytes of files: drivers, blobs, buckets
        FilesModule, //                      files, links, uploads, thumbnails
        TasksModule, //                      what users have to do
        AuditModule, //                      who did what
        HealthModule, //                     probes
        CacheAdminModule, //                 the cache, as administrators see it
        DocsModule.for(config), //           the OpenAPI document
      ],
    };
  }
}
