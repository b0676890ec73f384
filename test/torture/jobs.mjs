// Torture test of jobs: workers are killed and frozen while they run them.
// Run: `npm run build && node test/torture/jobs.mjs`
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { JobQueue } from '../../dist/src/workers/job-queue.js';
import { JobCanceller } from '../../dist/src/workers/api/job-canceller.js';
import { Effect, Unique } from './jobs.definitions.mjs';
import { Environment, LEASE_MS } from './jobs.environment.mjs';
import { judge, load, reclaims } from './jobs.oracle.mjs';
import { Nemesis } from './jobs.nemesis.mjs';
import { randomFrom, until } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'postgres' },
    full: { type: 'boolean', default: false }, //        100,000 jobs, 1,000 kills, 500 freezes
    jobs: { type: 'string' },
    kills: { type: 'string' }, // SIGKILLs of a worker that has work
    freezes: { type: 'string' }, // SIGSTOPs until other workers have its jobs, then SIGCONT
    processes: { type: 'string', default: '4' },
    // Milliseconds until a dead worker's job runs again; a busy machine takes longer.
    p99: { type: 'string', default: String(LEASE_MS + 2_000) },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: writes effects outside of the fence
  },
});
const usual = options.full ? { jobs: 100_000, kills: 1_000, freezes: 500 } : { jobs: 20_000, kills: 200, freezes: 0 };
const number = (name) => Number(options[name] ?? usual[name]);
const [jobs, kills, freezes, seed] = ['jobs', 'kills', 'freezes', 'seed'].map(number);
const random = randomFrom(seed);
/** Maximum number of waiting jobs; a job that is reclaimed from a dead worker waits behind them. */
const BACKLOG = 300;
const BATCH = 50;
/** lock_not_available: a frozen worker holds the row inside its transaction. The API returns 503 with Retry-After. */
const LOCKED = '55P03';
const ADMIN = { role: 'ADMIN', id: '', key: '', sessionId: '' };

const environment = new Environment();
const nemesis = new Nemesis(environment, random);
const counts = { jobs: 0, cancelled: 0 };
let times = {};
/** Jobs are enqueued evenly between the faults, so that each fault hits working workers. */
let admitted = 0;
try {
  await environment.open({ driver: options.driver, processes: number('processes'), unprotected: options.unprotected });
  await Promise.all([enqueue(), faults()]);
  await environment.quiesce();
  await load(environment, ...expectations());
  const { fenced, deaths } = environment.workerPool;
  Object.assign(counts, nemesis.counts, await judge(environment), { fenced, unasked: deaths - nemesis.deaths });
  times = await reclaims(environment);
  limits();
} catch (error) {
  environment.violate(error.stack);
} finally {
  await environment.close();
}
process.exit(
  environment.verdict({
    id: 'jobs',
    driver: options.driver,
    seed,
    counts,
    p50: times.p50,
    p99: times.p99,
    reclaims: times,
  }),
);

async function enqueue() {
  const cancels = [];
  for (let at = 0; at < jobs; at += BATCH) {
    await until(
      async () => at < admitted && (await environment.unfinished()) < BACKLOG,
      'the backlog to shrink',
      120_000,
    );
    const batch = Array.from({ length: Math.min(BATCH, jobs - at) }, (_, n) => toJob(`${at + n}`));
    const plain = batch.filter(({ unique }) => !unique);
    const queue = environment.get(JobQueue);
    const ids =
      random() < 0.5
        ? await queue.enqueueAll(
            Effect,
            plain.map(({ payload }) => payload),
          )
        : (await Promise.all(plain.map(({ payload }) => queue.enqueue(Effect, payload)))).map(({ id }) => id);
    const answers = batch.filter(({ unique }) => unique).flatMap(({ payload }) => [1, 2, 3].map(() => payload));
    const uniques = await Promise.all(answers.map((payload) => queue.enqueue(Unique, payload)));
    environment.acknowledge([
      ...plain.map(({ payload: { key } }, n) => ({ key, id: ids[n], isNew: true })),
      ...uniques.map((answer, n) => ({ key: answers[n].key, ...answer })),
    ]);
    plain.forEach(({ cancelAfter, payload }, n) => {
      if (cancelAfter !== undefined) cancels.push(cancel(payload.key, ids[n], cancelAfter));
    });
    counts.jobs += batch.length;
  }
  await Promise.all(cancels);
}

/** A tenth fails at first, a twentieth is cancelled, a twentieth is enqueued three times at once; some ignore the signal. */
function toJob(key) {
  const dice = random();
  const payload = { key, work: 5 + Math.floor(random() * 45), kind: random() < 0.3 ? 'deaf' : 'usual' };
  if (dice < 0.1) Object.assign(payload, { kind: 'failing', fails: dice < 0.05 ? 1 : 2 });
  return { payload, unique: dice > 0.95, ...(dice > 0.1 && dice < 0.15 && { cancelAfter: random() * 200 }) };
}

/** After a successful cancellation no effect may be written; a refusal means that it was written before. */
async function cancel(key, id, after) {
  await delay(after);
  try {
    await environment.get(JobCanceller).cancel(ADMIN, id);
    environment.acknowledge([{ key, cancelled: true }]);
    counts.cancelled++;
  } catch (error) {
    if (error.code === LOCKED) return cancel(key, id, 500);
    if (error.code !== 'JOB_FINISHED') throw error;
  }
}

/** A zombie's write may be under way before the freeze, or its job be cancelled: so this freezes until one is refused. */
async function firstRefusal() {
  for (let tries = 0; tries < 10 && environment.workerPool.fenced === 0; tries++) {
    await nemesis.freeze(() => admitted++);
    await nemesis.thawed();
    const refused = until(() => environment.workerPool.fenced > 0, 'the write of a zombie to be refused', 5_000);
    await refused.catch(() => undefined); // then once more; the verdict counts
  }
}

async function faults() {
  if (freezes > 0 && !options.unprotected) await firstRefusal();
  const all = shuffled([...Array(kills).fill('kill'), ...Array(freezes).fill('freeze')]);
  for (const [at, fault] of all.entries()) {
    admitted = Math.max(admitted, (jobs * (at + 1)) / (all.length + 1));
    await delay(random() * 200);
    await nemesis[fault](() => admitted++);
  }
  admitted = jobs;
  await nemesis.thawed();
}

function expectations() {
  const lines = environment.acknowledged();
  const expected = new Map();
  for (const { key, isNew, cancelled } of lines)
    expected.set(key, cancelled ? 0 : (expected.get(key) ?? 0) + (isNew ? 1 : 0));
  return [expected, lines.filter(({ id }) => id)];
}

function limits() {
  if (times.p99 > number('p99')) environment.violate(`taken up again after ${times.p99} ms (p99)`);
  if (counts.unasked > 0) environment.violate(`${counts.unasked} workers died without a kill`);
  if (!options.unprotected && freezes > 0 && counts.fenced === 0)
    environment.violate('no write of a zombie was ever refused');
}

function shuffled(list) {
  return list
    .map((item) => [random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}
