// The engine's room: queue, runner, threads, and what administrators see of them.
import { Global, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AppConfig } from '../shared/config/app-config.js';
import { Transaction } from '../shared/services/database/transaction.js';
import { Signals } from '../shared/services/events/signals.js';
import { LOGGER, type Logger } from '../shared/services/logging/logger.js';
import { AttemptPreparer } from './attempt-preparer.js';
import { AttemptRunner } from './attempt-runner.js';
import { JobsCleanupHandler } from './cleanup/cleanup.handler.js';
import { DeadLettersController } from './dead-letters.controller.js';
import { DeadLettersService } from './dead-letters.service.js';
import { PostgresDriver } from './drivers/postgres.driver.js';
import { QueueDriver } from './drivers/queue.driver.js';
import { RabbitDriver } from './drivers/rabbitmq.driver.js';
import { Heartbeats } from './heartbeats.js';
import { JobCounts } from './job-counts.js';
import { Job } from './job.entity.js';
import { JobLedger } from './job-ledger.js';
import { JobOutbox } from './job-outbox.js';
import { JobQueue } from './job-queue.js';
import { JobRegistry } from './job-registry.js';
import { JobRunner } from './job-runner.js';
import { JobStatsController } from './job-stats.controller.js';
import { JobStatsRepository } from './job-stats.repository.js';
import { JobsController } from './jobs.controller.js';
import { JobsRepository } from './jobs.repository.js';
import { JobsService } from './jobs.service.js';
import { Scheduler } from './scheduler.js';
import { SchedulesController } from './schedules.controller.js';
import { SchedulesRepository } from './schedules.repository.js';
import { SchedulesService } from './schedules.service.js';
import { ThreadPools } from './threads/thread-pools.js';

@Global()
@Module({
  imports: [TypeOrmModule.forFeature([Job]), DiscoveryModule],
  controllers: [JobStatsController, JobsController, DeadLettersController, SchedulesController],
  providers: [
    {
      provide: QueueDriver,
      inject: [AppConfig, Signals, Transaction, LOGGER],
      useFactory: (
        { rabbitmq: { url, prefix } }: AppConfig,
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
    DeadLettersService,
    Heartbeats,
    JobCounts,
    JobLedger,
    JobQueue,
    JobRegistry,
    JobRunner,
    JobStatsRepository,
    JobsRepository,
    JobsService,
    Scheduler,
    SchedulesRepository,
    SchedulesService,
    ThreadPools,
  ],
  exports: [JobQueue, JobRunner, QueueDriver, ThreadPools],
})
export class WorkersModule {}
