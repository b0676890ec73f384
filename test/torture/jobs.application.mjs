// An application process with the job types of the tortures: workers run the jobs, the torture itself enqueues them.
import 'reflect-metadata';
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DatabaseSettings } from '../../dist/src/shared/database/database.settings.js';
import { AppModule } from '../../dist/src/app.module.js';
import { loadConfig } from '../../dist/src/shared/config/app-config.js';
import { Transaction } from '../../dist/src/shared/database/transaction.js';
import { createLogger, NestLogger } from '../../dist/src/shared/logging/logger.js';
import { Handles } from '../../dist/src/workers/job.js';
import { Brittle, Effect, Unique } from './jobs.definitions.mjs';

/** The red twin: writes the effect beside the completion instead of in the same transaction. */
const unprotected = process.env.TORTURE_UNPROTECTED === '1';

class EffectHandler {
  constructor(transaction) {
    this.transaction = transaction;
  }

  async run({ key, work, kind, fails = 0 }, job) {
    await delay(work, undefined, kind === 'deaf' || unprotected ? {} : { signal: job.signal });
    if (kind === 'poison') die(key);
    if (kind === 'failing' && job.attempt <= fails) throw new Error('as asked');
    const effect = async () => {
      await this.transaction.query({
        name: 'effect',
        text: 'INSERT INTO torture_effects (key, attempt) VALUES ($1, $2)',
        values: [key, job.attempt],
      });
      return { key };
    };
    return unprotected ? effect() : job.finish(effect).catch(reportWhenFenced);
  }
}

/** Writes the key to disk before the process dies. */
function die(key) {
  appendFileSync(process.env.TORTURE_DEATHS, `${key}\n`);
  process.kill(process.pid, 'SIGKILL');
}

function reportWhenFenced(error) {
  if (error.name === 'AttemptLost') process.send?.({ fenced: 1 });
  throw error;
}

const handlers = [Effect, Unique, Brittle].map((job) => {
  class Handler extends EffectHandler {}
  Reflect.defineMetadata('design:paramtypes', [Transaction], Handler);
  Handles(job)(Handler);
  return Handler;
});

/** Starts the application; `log` receives its log lines. */
export function openApplication(env, log) {
  const config = loadConfig(env);
  const logger = createLogger(config, { write: log });
  class TortureModule {}
  Module({ imports: [AppModule.for(config, config.get(DatabaseSettings).url, logger)], providers: handlers })(
    TortureModule,
  );
  return NestFactory.createApplicationContext(TortureModule, { logger: new NestLogger(logger), abortOnError: false });
}
