// The probes.
import { Module } from '@nestjs/common';
import { TerminusModule } from '@nestjs/terminus';
import { CacheController } from './cache.controller.js';
import { CacheReport } from './cache-report.js';
import { HealthController } from './health.controller.js';
import { HealthService } from './health.service.js';

@Module({
  imports: [TerminusModule.forRoot({ logger: false })],
  controllers: [CacheController, HealthController],
  providers: [CacheReport, HealthService],
})
export class HealthModule {}
