// One worker process of the job tortures: runs `torture.effect` and says nothing; whoever started it may kill it at any moment.
// Environment: DATABASE_URL, RABBITMQ_URL, …; TORTURE_UNPROTECTED=1 writes the effect beside the completion instead of with it.
import 'reflect-metadata';
import { setTimeout as delay } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AppModule } from '../../dist/src/app.module.js';
import { loadConfig } from '../../dist/src/shared/config/app-config.js';
import { Transaction } from '../../dist/src/shared/services/database/transaction.js';
import { createLogger, NestLogger } from '../../dist/src/shared/services/logging/logger.js';
import { QueueDriver } from '../../dist/src/workers/drivers/queue.driver.js';
import { Handles } from '../../dist/src/workers/job.js';
import { Effect } from './jobs.definitions.mjs';

const unprotected = process.env.TORTURE_UNPROTECTED === '1';

class EffectHandler {
  constructor(transaction) {
    this.transaction = transaction;
  }

  async run({ key, work, kind }, job) {
    await delay(work, undefined, { signal: job.signal });
    if (kind === 'poison') process.kill(process.pid, 'SIGKILL');
    if (kind === 'failing') throw new Error('as asked');
    const effect = async () => {
      await this.transaction.query({
        name: 'effect',
        text: 'INSERT INTO torture_effects (key, attempt) VALUES ($1, $2)',
        values: [key, job.attempt],
      });
      return { key };
    };
    return unprotected ? effect() : job.finish(effect);
  }
}
Reflect.defineMetadata('design:paramtypes', [Transaction], EffectHandler);
Handles(Effect)(EffectHandler);

const config = loadConfig();
const logger = createLogger(config);
class Worker {}
Module({ imports: [AppModule.for(config, config.database.url, logger)], providers: [EffectHandler] })(Worker);
const context = await NestFactory.createApplicationContext(Worker, {
  logger: new NestLogger(logger),
  abortOnError: false,
});
const driver = context.get(QueueDriver);
await driver.listen(() => process.send?.('working'));
process.once(
  'SIGTERM',
  () =>
    void driver
      .close()
      .then(() => context.close())
      .finally(() => process.exit(0)),
);
