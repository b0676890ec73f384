// The table of contents: one line per room.
import { type DynamicModule, Module } from '@nestjs/common';
import { AuditModule } from './audit/audit.module.js';
import { AuthModule } from './auth/auth.module.js';
import { CommonModule } from './common/common.module.js';
import { DocsModule } from './common/docs/docs.module.js';
import { RequestLimitsModule } from './common/limits/request-limits.module.js';
import { RequestsModule } from './common/requests/requests.module.js';
import { FilesModule } from './files/files.module.js';
import { HealthModule } from './health/health.module.js';
import type { AppConfig } from './shared/config/app-config.js';
import { CacheModule } from './shared/services/cache/cache.module.js';
import { DatabaseModule } from './shared/services/database/database.module.js';
import type { Logger } from './shared/services/logging/logger.js';
import { SharedModule } from './shared/services/shared.module.js';
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
        CacheModule, //                      Redis where there is one: cache, locks, limits
        CommonModule, //                     what repositories share, the catalogue of problems
        RequestLimitsModule.for(config), //  how much of it all one caller may use
        RequestsModule, //                   cancelled while they run, sent many at once
        WorkersModule, //                    background jobs: queue, runner, threads
        AuthModule, //                       sessions, tokens, the guard before every route
        UsersModule, //                      accounts
        FilesModule, //                      files, and where their bytes are
        TasksModule, //                      what users have to do
        AuditModule, //                      who did what
        HealthModule, //                     probes
        DocsModule.for(config), //           the OpenAPI document
      ],
    };
  }
}
