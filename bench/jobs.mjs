// Compares background jobs with pg-boss and BullMQ in one run: jobs per second, and time from enqueue to done.
//   npm run build && npm install --prefix /tmp/rivals pg-boss@10 bullmq ioredis@5
//   DATABASE_URL=postgres://… REDIS_URL=redis://… [RABBITMQ_URL=amqp://…] \
//     node bench/jobs.mjs --rivals /tmp/rivals [--rounds 3] [--jobs 20000]
// One process enqueues; another one works with 50 slots and an empty handler. `bulk`: 1,000 jobs at a time. `single`: one by
// one, 50 in flight. `paced`: 200 per second for 10 s. Done: the completion is committed (pg-boss, which publishes no event:
// its handler has returned). The first 200 jobs are not counted. All queues take turns in each round. Databases are created
// and dropped; BullMQ's keys are removed.
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { open } from './jobs.queues.mjs';

const { values: options } = parseArgs({
  options: {
    rivals: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    jobs: { type: 'string', default: '20000' },
    modes: { type: 'string', default: 'bulk,single,paced' },
    queues: { type: 'string' },
  },
});
const CONCURRENCY = 50;
const CHUNK = 1_000;
const PACE = 200;
const PACED = 2_000;
/** Warm-up jobs, not counted: they open connections, prepare statements and compile code. */
const WARM = 200;
const now = () => Number(process.hrtime.bigint() / 1000n) / 1000; // ms, the same clock for all processes of the machine

const rivals = options.rivals ? ['pg-boss', ...(process.env.REDIS_URL ? ['bullmq'] : [])] : [];
const ours = ['ours', ...(process.env.RABBITMQ_URL ? ['ours, RabbitMQ'] : [])];
const queues = options.queues?.split(';') ?? [...ours, ...rivals];
const results = new Map();

const server = new URL(process.env.DATABASE_URL);
async function onServer(sql) {
  const client = new pg.Client({ connectionString: server.href });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}

async function measure(queue, mode) {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  await onServer(`CREATE DATABASE ${name}`);
  const database = new URL(server.href);
  database.pathname = name;
  const place = { queue, name, database: database.href, rivals: options.rivals, concurrency: CONCURRENCY };
  const total = mode === 'paced' ? PACED : Number(options.jobs);
  const producer = await open(place);
  const worker = fork(new URL('jobs.worker.mjs', import.meta.url), [JSON.stringify({ ...place, total, warm: WARM })]);
  const ended = once(worker, 'exit').then(([code]) => {
    throw new Error(`The worker of ${queue} ended with ${code}`);
  });
  try {
    await Promise.race([once(worker, 'message'), ended]);
    const warm = once(worker, 'message');
    for (let sent = 0; sent < WARM; sent++) await producer.one(now());
    await Promise.race([warm, ended]);
    const done = Promise.race([
      once(worker, 'message'),
      ended,
      delay(180_000, undefined, { ref: false }).then(() => Promise.reject(new Error(`${queue} is stuck`))),
    ]);
    const began = now();
    await enqueue(producer, mode, total);
    const [{ at, delays }] = await done;
    const quantile = (q) => delays[Math.min(total - 1, Math.floor(total * q))];
    return { perSecond: (total / (at - began)) * 1000, p50: quantile(0.5), p99: quantile(0.99) };
  } finally {
    ended.catch(() => undefined);
    worker.kill('SIGKILL');
    await producer.close();
    await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
  }
}

async function enqueue(producer, mode, total) {
  const stamps = (count) => Array.from({ length: count }, () => now());
  if (mode === 'bulk')
    for (let sent = 0; sent < total; sent += CHUNK) await producer.many(stamps(Math.min(CHUNK, total - sent)));
  if (mode === 'single') {
    let left = total;
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        while (left-- > 0) await producer.one(now());
      }),
    );
  }
  if (mode === 'paced') {
    const began = now();
    const sent = [];
    for (let at = 0; at < total; at++) {
      sent.push(producer.one(now()));
      await delay(Math.max(0, began + ((at + 1) * 1000) / PACE - now()));
    }
    await Promise.all(sent);
  }
}

for (let round = 0; round < Number(options.rounds); round++)
  for (const mode of options.modes.split(','))
    for (const queue of queues) {
      const result = await measure(queue, mode);
      const key = `${mode}: ${queue}`;
      results.set(key, [...(results.get(key) ?? []), result]);
      console.log(
        JSON.stringify({
          round,
          mode,
          queue,
          ...Object.fromEntries(Object.entries(result).map(([k, v]) => [k, Math.round(v * 10) / 10])),
        }),
      );
    }
const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
console.table(
  [...results].map(([what, rounds]) => ({
    what,
    'jobs/s': Math.round(median(rounds.map(({ perSecond }) => perSecond))),
    'lowest-highest': `${Math.round(Math.min(...rounds.map(({ perSecond }) => perSecond)))}-${Math.round(Math.max(...rounds.map(({ perSecond }) => perSecond)))}`,
    'p50 ms': median(rounds.map(({ p50 }) => p50)).toFixed(1),
    'p99 ms': median(rounds.map(({ p99 }) => p99)).toFixed(1),
  })),
);
process.exit(0);
