// The table of contents: one line per module.
import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CacheAdminModule } from './cache-admin/cache-admin.module.js';
import { CommonModule } from './common/common.module.js';
import { DocsModule } from './common/http/docs/docs.module.js';
import { RequestLimitsModule } from './common/http/limits/request-limits.module.js';
import { RealtimeModule } from './realtime/realtime.module.js';
import { RequestsModule } from './requests/requests.module.js';
import { FilesModule } from './files/files.module.js';
import { HealthModule } from './health/health.module.js';
import type { AppConfig } from './shared/config/app-config.js';
import { CacheModule } from './shared/cache/cache.module.js';
import { DatabaseModule } from './shared/database/database.module.js';
import { EventsModule } from './shared/events/events.module.js';
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
        SharedModule.for(config, logger), // settings, logger
        DatabaseModule.for(databaseUrl), //  PostgreSQL, unit of work, ids
        EventsModule, //                     events, and the event log
        RedisModule, //                      Redis, if configured
        PubsubModule, //                     signals between processes
        CacheModule, //                      cached reads
        LocksModule, //                      locks between processes
        RateLimitsModule, //                 counters of rate limits
        CommonModule, //                     shared parts of repositories, the catalogue of problems
        RequestLimitsModule.for(config), //  rate limits of each caller
        RequestsModule, //                   cancels running requests, runs batches
        WorkersModule, //                    background jobs: queue, runner, threads
        AuthModule, //                       sessions, tokens, the access guard of every route
        UsersModule, //                      accounts
        StorageModule, //                    content of files: drivers, blobs, buckets
        FilesModule, //                      files, links, uploads, thumbnails
        TasksModule, //                      to-do items of users
        RealtimeModule, //                   changes as they happen: WebSocket, event stream, poll
        AuditModule, //                      the audit log
        HealthModule, //                     probes
        CacheAdminModule, //                 cache endpoints for administrators
        DocsModule.for(config), //           the OpenAPI document
      ],
    };
  }
}
