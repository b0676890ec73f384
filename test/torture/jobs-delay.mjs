// Torture test of delayed jobs and retries: never early, and hardly late.
// Run: `npm run build && node test/torture/jobs-delay.mjs`
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { JobQueue } from '../../dist/src/workers/job-queue.js';
import { BrokerNemesis } from './jobs.broker.mjs';
import { Effect } from './jobs.definitions.mjs';
import { Environment } from './jobs.environment.mjs';
import { judge, latenesses, load } from './jobs.oracle.mjs';
import { randomFrom } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'postgres' },
    full: { type: 'boolean', default: false }, //        20,000 jobs, 10 restarts of the broker, over 10 minutes
    jobs: { type: 'string' },
    restarts: { type: 'string' }, // SIGKILLs of the broker, which restarts some seconds later
    seconds: { type: 'string' }, // time over which the jobs become due
    processes: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: claims ignore the time
  },
});
const usual = options.full ? { jobs: 20_000, restarts: 10, seconds: 600 } : { jobs: 2_000, restarts: 3, seconds: 60 };
const number = (name) => Number(options[name] ?? usual[name]);
const [jobs, seconds, seed] = ['jobs', 'seconds', 'seed'].map(number);
const restarts = options.driver === 'rabbitmq' ? number('restarts') : 0;
const random = randomFrom(seed);
const BATCH = 100;
const LATE_MS = { steady: 1_000, broken: 10_000 };

const environment = new Environment();
const broker = new BrokerNemesis(environment);
const counts = { jobs: 0 };
let late = {};
try {
  const imports = options.unprotected ? [fileURLToPath(new URL('jobs.hasty.mjs', import.meta.url))] : [];
  await environment.open({ driver: options.driver, imports, processes: number('processes') });
  const [{ ms }] = await environment.sql(`SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS ms`);
  await enqueue(ms + 3_000);
  await faults();
  await delay(seconds * 1_000 - (performance.now() - environment.began));
  await environment.quiesce();
  await judgeTimes();
} catch (error) {
  environment.violate(error.stack);
} finally {
  await environment.close();
}
const { p50, p99 } = late.steady ?? {};
process.exit(environment.verdict({ id: 'jobs-delay', driver: options.driver, seed, counts, p50, p99, late }));

/** Enqueues the jobs. A third of them fails up to three times, with a backoff in between. */
async function enqueue(from) {
  const queue = environment.get(JobQueue);
  for (let at = 0; at < jobs; at += BATCH) {
    const batch = Array.from({ length: Math.min(BATCH, jobs - at) }, (_, n) => {
      const fails = random() < 0.33 ? 1 + Math.floor(random() * 3) : 0;
      const kind = fails > 0 ? 'failing' : 'usual';
      return { key: `${at + n}`, work: Math.floor(random() * 5), kind, fails };
    });
    const times = batch.map(() => new Date(Math.round(from + random() * seconds * 1_000)));
    const answers = await Promise.all(batch.map((payload, n) => queue.enqueue(Effect, payload, { runAt: times[n] })));
    environment.acknowledge(batch.map(({ key }, n) => ({ key, id: answers[n].id, runAt: times[n] })));
    counts.jobs += batch.length;
  }
}

async function faults() {
  for (let n = 0; n < restarts; n++) {
    await delay(((seconds * 1_000) / (restarts + 1)) * (0.5 + random() / 2));
    await broker.kill({ wipe: false, downMs: random() * 2_000, pause: delay });
  }
}

async function judgeTimes() {
  const lines = environment.acknowledged();
  await load(environment, new Map(lines.map(({ key }) => [key, 1])), lines);
  Object.assign(counts, broker.counts, await judge(environment));
  await environment.sql(
    'CREATE TABLE torture_wishes AS SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS w (key, run_at)',
    [lines.map(({ key }) => key), lines.map(({ runAt }) => runAt)],
  );
  const early = await environment.sql(`SELECT job, attempt, at, due FROM torture_claims WHERE at < due`);
  const sooner = await environment.sql(
    `SELECT key, at, run_at FROM torture_effects JOIN torture_wishes USING (key) WHERE at < run_at`,
  );
  Object.assign(counts, { early: early.length, effectsEarly: sooner.length });
  for (const [what, rows] of Object.entries({
    'attempts before they were due': early,
    'effects before their time': sooner,
  }))
    if (rows.length > 0) environment.violate(`${rows.length} ${what}, as ${JSON.stringify(rows.slice(0, 3))}`);
  late = await latenesses(environment);
  for (const [when, maxMs] of Object.entries(LATE_MS))
    if (late[when]?.p99 > maxMs)
      environment.violate(`${when}: the latest 1 % came ${late[when].p99} ms after they were due`);
}
