// A process of the application with test jobs: the job suites enqueue jobs into it and let it run them.
import { type INestApplicationContext, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../../../src/app.module.js';
import { Transaction } from '../../../src/shared/database/transaction.js';
import { createLogger, NestLogger } from '../../../src/shared/logging/logger.js';
import { QueueDriver } from '../../../src/workers/drivers/queue.driver.js';
import { JobQueue } from '../../../src/workers/job-queue.js';
import { Worker } from '../../../src/workers/engine/worker.js';
import { testConfig } from '../config.js';

export class JobApplication {
  readonly queue: JobQueue;
  readonly driver: QueueDriver;
  readonly transaction: Transaction;
  readonly worker: Worker;

  constructor(
    private readonly context: INestApplicationContext,
    readonly log: readonly string[],
  ) {
    this.queue = context.get(JobQueue);
    this.driver = context.get(QueueDriver);
    this.transaction = context.get(Transaction);
    this.worker = context.get(Worker);
  }

  get<T>(token: Type<T>): T {
    return this.context.get<T>(token);
  }

  /** Starts to run jobs. */
  async work(): Promise<this> {
    await this.driver.listen((error) => {
      if (error) throw error as Error;
    });
    return this;
  }

  /** Shuts down like a process: running jobs may finish. */
  async close(): Promise<void> {
    await this.driver.close();
    await this.context.close();
  }
}

/** `handlers`: providers marked with `@Handles`. `env`: variables as text. */
export async function openJobApplication(
  databaseUrl: string,
  handlers: Type[],
  env: Record<string, string> = {},
): Promise<JobApplication> {
  const config = testConfig(databaseUrl, { JOB_LEASE: '6000', LOG_FORMAT: 'json', LOG_LEVEL: 'debug', ...env });
  const log: string[] = [];
  const logger = createLogger(config, { write: (line: string) => void log.push(line) });

  @Module({ imports: [AppModule.for(config, databaseUrl, logger)], providers: handlers })
  class TestApplication {}

  const context = await NestFactory.createApplicationContext(TestApplication, {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  return new JobApplication(context, log);
}
