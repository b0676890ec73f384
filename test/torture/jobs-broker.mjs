// Torture test of jobs: RabbitMQ is killed and wiped while jobs run.
// Run: `npm run build && node test/torture/jobs-broker.mjs`
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { JobQueue } from '../../dist/src/workers/job-queue.js';
import { BrokerNemesis } from './jobs.broker.mjs';
import { Effect } from './jobs.definitions.mjs';
import { Environment } from './jobs.environment.mjs';
import { Nemesis } from './jobs.nemesis.mjs';
import { judge, latenesses, load, percentiles } from './jobs.oracle.mjs';
import { randomFrom, until } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    full: { type: 'boolean', default: false }, //        200,000 jobs, 50 kills, 5 wipes
    jobs: { type: 'string' },
    kills: { type: 'string' }, // SIGKILLs of the broker while there is work
    wipes: { type: 'string' }, // number of those kills after which the broker also loses its disk
    workers: { type: 'string' }, // SIGKILLs of a worker that has work; it also announces jobs
    processes: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: trusts that a message confirmed by the broker arrives
  },
});
const FULL = { jobs: 200_000, kills: 50, wipes: 5, workers: 50 };
const QUICK = { jobs: 20_000, kills: 20, wipes: 1, workers: 10 };
/** Each kill causes duplicate wake-ups, which would replace those that a wipe loses. */
const RED = { jobs: 2_000, kills: 1, wipes: 1, workers: 0 };
const usual = options.unprotected ? RED : options.full ? FULL : QUICK;
const number = (name) => Number(options[name] ?? usual[name]);
const [jobs, kills, wipes, workers, seed] = ['jobs', 'kills', 'wipes', 'workers', 'seed'].map(number);
const random = randomFrom(seed);
const BATCH = 20;
const BACKLOG = 500;
/** Minimum number of wake-ups that a wipe must lose; the workers hold others. */
const LOST = 100;
const BURST = 500;
/** RabbitMQ writes its declarations to disk some seconds later; a kill before that would test RabbitMQ instead of us. */
const DECLARED_MS = 5_000;
const RESUME_MS = 10_000;

const environment = new Environment();
const broker = new BrokerNemesis(environment);
const nemesis = new Nemesis(environment, random);
const counts = { jobs: 0 };
let times = {};
let admitted = 0;
try {
  const imports = options.unprotected ? [fileURLToPath(new URL('jobs.trusting.mjs', import.meta.url))] : [];
  await environment.open({ driver: 'rabbitmq', imports, processes: number('processes') });
  await broker.used();
  await delay(DECLARED_MS);
  await Promise.all([enqueue(), faults()]).catch((error) => environment.violate(error.message));
  await environment.quiesce();
  const lines = environment.acknowledged();
  await load(environment, new Map(lines.map(({ key }) => [key, 1])), lines);
  Object.assign(counts, broker.counts, nemesis.counts, await judge(environment));
  counts.unasked = environment.workerPool.deaths - nemesis.deaths;
  if (counts.unasked > 0) environment.violate(`${counts.unasked} workers died without a kill`);
  times = { resume: percentiles(broker.resumed), late: await latenesses(environment) };
  if (times.resume.max > RESUME_MS)
    environment.violate(`in use again only ${times.resume.max} ms after the broker was up`);
} catch (error) {
  environment.violate(error.stack);
} finally {
  await environment.close();
}
const { p50, p99 } = times.resume ?? {};
process.exit(environment.verdict({ id: 'jobs-broker', seed, counts, p50, p99, ...times }));

/** Enqueues jobs, also while the broker is down. */
async function enqueue() {
  while (counts.jobs < jobs) {
    const isWelcome = async () => counts.jobs < admitted && (await environment.unfinished()) < BACKLOG;
    await until(isWelcome, 'the backlog to shrink', 60_000);
    await enqueueSome(BATCH);
  }
}

async function enqueueSome(count) {
  const payloads = Array.from({ length: count }, () => toPayload(`${counts.jobs++}`));
  const ids = await environment.get(JobQueue).enqueueAll(Effect, payloads);
  environment.acknowledge(payloads.map(({ key }, n) => ({ key, id: ids[n] })));
}

function toPayload(key) {
  const isFailing = random() < 0.1;
  return { key, work: 5 + Math.floor(random() * 45), kind: isFailing ? 'failing' : 'usual', fails: isFailing ? 1 : 0 };
}

async function faults() {
  const all = [...Array(kills).fill('broker'), ...Array(workers).fill('worker')];
  const plan = all.map((fault) => [random(), fault]).sort(([a], [b]) => a - b);
  const wiped = new Set(Array.from({ length: wipes }, (_, n) => Math.floor(((n + random()) * kills) / wipes)));
  for (const [at, [, fault]] of plan.entries()) {
    admitted = Math.max(admitted, (jobs * (at + 1)) / (plan.length + 1));
    await delay(random() * 300);
    const more = () => admitted++;
    if (fault === 'worker') {
      await nemesis.kill(more);
      continue;
    }
    const wipe = wiped.has(broker.counts.brokerKills);
    if (wipe) await fill();
    while ((await environment.unfinished()) === 0) await delay(5, more());
    await broker.kill({ wipe, downMs: random() * 3_000, pause: (ms) => keepUp(ms) });
  }
  admitted = jobs;
}

/** Fills the queue of the broker: a wipe of an empty queue loses nothing. */
async function fill() {
  while ((await broker.waiting()) < LOST) await enqueueSome(BURST);
}

/** Keeps jobs coming while the broker is down. */
async function keepUp(ms) {
  for (let gone = 0; gone < ms; gone += 100) {
    admitted += 10;
    await delay(100);
  }
}
