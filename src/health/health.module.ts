// The probes.
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { FilesModule } from '../files/files.module.js';
import { CacheController } from './cache.controller.js';
import { CacheReport } from './cache-report.js';
import { HealthController } from './health.controller.js';
import { HealthService } from './health.service.js';

@Module({
  imports: [TerminusModule.forRoot({ logger: false }), FilesModule],
  controllers: [CacheController, HealthController],
  providers: [CacheReport, HealthService],
})
export class HealthModule {}
