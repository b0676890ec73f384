// The engine's room: queue, runner, threads, and what administrators see of them.
import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Signals } from '../shared/services/events/signals.js';
import { AttemptRunner } from './attempt-runner.js';
import { PostgresDriver } from './drivers/postgres.driver.js';
import { QueueDriver } from './drivers/queue.driver.js';
import { Heartbeats } from './heartbeats.js';
import { JobCounts } from './job-counts.js';
import { Job } from './job.entity.js';
import { JobLedger } from './job-ledger.js';
import { JobQueue } from './job-queue.js';
import { JobRegistry } from './job-registry.js';
import { JobRunner } from './job-runner.js';
import { JobsController } from './jobs.controller.js';
import { JobsRepository } from './jobs.repository.js';
import { JobsService } from './jobs.service.js';
import { ThreadPools } from './threads/thread-pools.js';

@Global()
@Module({
  imports: [TypeOrmModule.forFeature([Job]), DiscoveryModule],
  controllers: [JobsController],
  providers: [
    {
      provide: QueueDriver,
      inject: [Signals],
      useFactory: (signals: Signals): QueueDriver => new PostgresDriver(signals),
    },
    AttemptRunner,
    Heartbeats,
    JobCounts,
    JobLedger,
    JobQueue,
    JobRegistry,
    JobRunner,
    JobsRepository,
    JobsService,
    ThreadPools,
  ],
  exports: [JobQueue, JobRunner, QueueDriver, ThreadPools],
})
export class WorkersModule {}
