// The queues that bench/jobs.mjs compares, each with the same four functions: one, many, work, close.
import 'reflect-metadata';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ApiProperty } from '@nestjs/swagger';
import { IsNumber } from 'class-validator';

export function open(place) {
  if (place.queue.startsWith('ours')) return openOurs(place);
  return place.queue === 'bullmq' ? openBullmq(place) : openPgBoss(place);
}

/** Defined once per process. */
let noop;

class Stamp {}
ApiProperty()(Stamp.prototype, 'stamp');
IsNumber()(Stamp.prototype, 'stamp');

async function openOurs({ queue, name, database, concurrency }) {
  const load = (path) => import(new URL(`../dist/src/${path}.js`, import.meta.url));
  const [{ AppModule }, { loadConfig }, { migrate }, { createLogger, NestLogger }] = await Promise.all(
    ['app.module', 'shared/config/app-config', 'shared/database/migrate', 'shared/logging/logger'].map(load),
  );
  const [{ defineJob, Handles }, { JobQueue }, { QueueDriver }, { JobRunner }, { Events }, { JobDone }] =
    await Promise.all(
      [
        'workers/job',
        'workers/job-queue',
        'workers/drivers/queue.driver',
        'workers/engine/job-runner',
        'shared/events/events',
        'workers/jobs.events',
      ].map(load),
    );
  const secret = 'x'.repeat(32);
  const config = loadConfig({
    ...{ NODE_ENV: 'test', DATABASE_URL: database, LOG_LEVEL: 'error', LOG_FORMAT: 'json' },
    ...{ JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret },
    ...(queue === 'ours' ? {} : { RABBITMQ_URL: process.env.RABBITMQ_URL, RABBITMQ_QUEUE: name }),
  });
  const Noop = (noop ??= defineJob({
    name: 'bench.noop',
    queue: 'bench',
    payload: Stamp,
    attempts: 3,
    backoff: () => 100,
    timeoutMs: 60_000,
    concurrency,
  }));
  const stamps = new Map();
  class NoopHandler {
    async run({ stamp }, job) {
      stamps.set(job.id, stamp);
    }
  }
  Handles(Noop)(NoopHandler);
  await migrate(config, database);
  const logger = createLogger(config);
  class Bench {}
  Module({ imports: [AppModule.for(config, database, logger)], providers: [NoopHandler] })(Bench);
  const app = await NestFactory.createApplicationContext(Bench, {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  const jobs = app.get(JobQueue);
  return {
    one: (stamp) => jobs.enqueue(Noop, { stamp }),
    many: (list) =>
      jobs.enqueueAll(
        Noop,
        list.map((stamp) => ({ stamp })),
      ),
    async work(done) {
      app.get(Events).within(JobDone, async ({ jobId }) => {
        done(stamps.get(jobId));
        stamps.delete(jobId);
      });
      await app.get(QueueDriver).listen(() => undefined);
    },
    async close() {
      const queues = app.get(JobRunner).queues.map((one) => one.name);
      await app.close();
      if (queue !== 'ours') await forget(name, queues);
    },
  };
}

/** Deletes what a deployment with this `prefix` has declared on the broker. */
async function forget(prefix, queues) {
  const { connect } = await import('amqplib');
  const connection = await connect(process.env.RABBITMQ_URL);
  const channel = await connection.createChannel();
  for (const name of queues.flatMap((one) => [one, `${one}.dead`])) await channel.deleteQueue(`${prefix}.${name}`);
  for (const name of ['jobs', 'dead']) await channel.deleteExchange(`${prefix}.${name}`);
  await connection.close();
}

const from = async (folder, name) => {
  const path = createRequire(join(folder, 'index.js')).resolve(name);
  const module = await import(pathToFileURL(path).href);
  return module.default ?? module;
};

async function openPgBoss({ name, database, rivals }) {
  const PgBoss = await from(rivals, 'pg-boss');
  const boss = new PgBoss({ connectionString: database, max: 10, supervise: false, schedule: false });
  await boss.start();
  await boss.createQueue(name);
  return {
    one: (stamp) => boss.send(name, { stamp }),
    many: (list) => boss.insert(list.map((stamp) => ({ name, data: { stamp } }))),
    /** pg-boss polls every 0.5 s at most; four pollers with batches of 500, so that polling does not dominate the result. */
    async work(done) {
      const options = { batchSize: 500, pollingIntervalSeconds: 0.5 };
      for (let poller = 0; poller < 4; poller++)
        await boss.work(name, options, async (jobs) => jobs.forEach(({ data }) => done(data.stamp)));
    },
    close: () => boss.stop({ graceful: false }),
  };
}

async function openBullmq({ name, rivals, concurrency }) {
  const { Queue, Worker } = await from(rivals, 'bullmq');
  const url = new URL(process.env.REDIS_URL);
  const connection = { host: url.hostname, port: Number(url.port || 6379), maxRetriesPerRequest: null };
  const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
  return {
    one: (stamp) => queue.add('noop', { stamp }),
    many: (list) => queue.addBulk(list.map((stamp) => ({ name: 'noop', data: { stamp } }))),
    async work(done) {
      const worker = new Worker(name, async () => undefined, {
        connection,
        concurrency,
        removeOnComplete: { count: 0 },
      });
      worker.on('completed', ({ data }) => done(data.stamp));
      await worker.waitUntilReady();
    },
    async close() {
      await queue.obliterate({ force: true });
      await queue.close();
    },
  };
}
