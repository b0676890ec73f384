// Module of background jobs: queue, runner, threads and the endpoints for administrators.
import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { RabbitSettings } from './drivers/rabbitmq.settings.js';
import { Transaction } from '../shared/database/transaction.js';
import { Signals } from '../shared/pubsub/signals.js';
import { LOGGER, type Logger } from '../shared/logging/logger.js';
import { AttemptPreparer } from './engine/attempt-preparer.js';
import { AttemptRunner } from './engine/attempt-runner.js';
import { JobsCleanupHandler } from './cleanup/cleanup.handler.js';
import { JobsTrimHandler } from './cleanup/trim.handler.js';
import { DeadLettersController } from './api/dead-letters.controller.js';
import { DeadLettersService } from './api/dead-letters.service.js';
import { PostgresDriver } from './drivers/postgres.driver.js';
import { QueueDriver } from './drivers/queue.driver.js';
import { RabbitDriver } from './drivers/rabbitmq.driver.js';
import { Heartbeats } from './engine/heartbeats.js';
import { JobCounts } from './engine/job-counts.js';
import { Job } from './job.entity.js';
import { JobQueueRepository } from './engine/job-queue.repository.js';
import { JobOutbox } from './engine/job-outbox.js';
import { JobQueue } from './job-queue.js';
import { JobRegistry } from './engine/job-registry.js';
import { JobOutcomes } from './engine/job-outcomes.js';
import { JobReaper } from './engine/job-reaper.js';
import { JobRunner } from './engine/job-runner.js';
import { JobStatsController } from './api/job-stats.controller.js';
import { JobStatsRepository } from './engine/job-stats.repository.js';
import { JobsController } from './api/jobs.controller.js';
import { JobsRepository } from './engine/jobs.repository.js';
import { JobCanceller } from './api/job-canceller.js';
import { JobsService } from './api/jobs.service.js';
import { Scheduler } from './engine/scheduler.js';
import { SchedulesController } from './api/schedules.controller.js';
import { SchedulesRepository } from './engine/schedules.repository.js';
import { SchedulesService } from './api/schedules.service.js';
import { Worker } from './engine/worker.js';
import { ThreadPools } from './threads/thread-pools.js';

@Global()
@Module({
  imports: [TypeOrmModule.forFeature([Job]), DiscoveryModule],
  controllers: [JobStatsController, JobsController, DeadLettersController, SchedulesController],
  providers: [
    {
      provide: QueueDriver,
      inject: [RabbitSettings, Signals, Transaction, LOGGER],
      useFactory: (
        { url, prefix }: RabbitSettings,
        signals: Signals,
        transaction: Transaction,
        logger: Logger,
      ): QueueDriver =>
        url === undefined
          ? new PostgresDriver(signals)
          : new RabbitDriver({ url, prefix }, new JobOutbox(transaction), logger),
    },
    AttemptPreparer,
    AttemptRunner,
    JobsCleanupHandler,
    JobsTrimHandler,
    DeadLettersService,
    Heartbeats,
    JobCounts,
    JobQueueRepository,
    JobQueue,
    JobRegistry,
    JobOutcomes,
    JobReaper,
    JobRunner,
    JobStatsRepository,
    JobsRepository,
    JobsService,
    JobCanceller,
    Scheduler,
    SchedulesRepository,
    SchedulesService,
    ThreadPools,
    Worker,
  ],
  exports: [JobQueue, JobRunner, QueueDriver, ThreadPools, Worker],
})
export class WorkersModule {}
