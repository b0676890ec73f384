// Torture test of enqueueing: a row and its job in one transaction, while PostgreSQL crashes.
// Run: `npm run build && node test/torture/jobs-outbox.mjs`
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createBatcher } from '../../dist/src/shared/libs/batcher.js';
import { Transaction } from '../../dist/src/shared/database/transaction.js';
import { JobQueue } from '../../dist/src/workers/job-queue.js';
import { Effect } from './jobs.definitions.mjs';
import { Environment } from './jobs.environment.mjs';
import { Nemesis } from './jobs.nemesis.mjs';
import { judge, load, summary } from './jobs.oracle.mjs';
import { OwnPostgres } from './jobs.postgres.mjs';
import { randomFrom, until } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'postgres' },
    full: { type: 'boolean', default: false }, //        500,000 rows, 20 crashes, 100 kills
    rows: { type: 'string' },
    writers: { type: 'string', default: '16' },
    crashes: { type: 'string' }, // crashes of PostgreSQL: SIGKILL of the postmaster, or an immediate stop
    kills: { type: 'string' }, // SIGKILLs of a worker (it also relays) that has work
    processes: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: enqueues outside of the transaction
  },
});
const usual = options.full ? { rows: 500_000, crashes: 20, kills: 100 } : { rows: 100_000, crashes: 5, kills: 20 };
const number = (name) => Number(options[name] ?? usual[name]);
const [rows, writers, crashes, kills, seed] = ['rows', 'writers', 'crashes', 'kills', 'seed'].map(number);
const random = randomFrom(seed);
const BACKLOG = 1_000;

class RollBack extends Error {}
const postgres = await new OwnPostgres().start();
const environment = new Environment();
const nemesis = new Nemesis(environment, random);
const counts = { rows: 0, committed: 0, rolledBack: 0, unknown: 0, slow: 0, crashes: 0 };
/** One write and fsync for all waiting lines. */
const acknowledge = createBatcher(async (lines) => (environment.acknowledge(lines), lines));
let backlog = 0;
let isUp = true;
let lag = {};
try {
  const env = { DATABASE_POOL_SIZE: String(writers + 4) };
  await environment.open({ database: postgres, driver: options.driver, env, processes: number('processes') });
  await environment.sql('CREATE TABLE torture_rows (key text PRIMARY KEY)');
  await Promise.all([...Array.from({ length: writers }, write), faults()]);
  await environment.quiesce();
  await judgeRows();
  Object.assign(counts, nemesis.counts, await judge(environment), {
    unasked: environment.workerPool.deaths - nemesis.deaths,
    failedStarts: environment.workerPool.failedStarts,
  });
  lag = await lags();
  if (counts.unasked > 0) environment.violate(`${counts.unasked} workers died without a kill`);
  if (lag.p99 > 1_000) environment.violate(`steady, the slowest 1 % were taken up ${lag.p99} ms after their commit`);
} catch (error) {
  environment.violate(error.stack);
} finally {
  await environment.close();
}
process.exit(
  environment.verdict({ id: 'jobs-outbox', driver: options.driver, seed, counts, p50: lag.p50, p99: lag.p99, lag }),
);

async function write() {
  while (counts.rows < rows) {
    const key = `${counts.rows++}`;
    const dice = { isSlow: random() < 0.3, ms: 10 + random() * 190, rollsBack: random() < 0.05 };
    if (dice.isSlow) counts.slow++;
    await acknowledge({ key, outcome: await attempt(key, dice) });
    if (backlog > BACKLOG) await until(() => backlog < BACKLOG, 'the backlog to shrink', 120_000);
  }
}

/** Runs one transaction and returns its outcome, as far as the writer can know it. */
async function attempt(key, { isSlow, ms, rollsBack }) {
  const enqueue = () => environment.get(JobQueue).enqueue(Effect, { key, work: Math.floor(ms / 40), kind: 'usual' });
  try {
    if (options.unprotected) await enqueue();
    await environment.get(Transaction).run(async () => {
      const text = 'INSERT INTO torture_rows VALUES ($1)';
      await environment.get(Transaction).query({ name: 'torture-row', text, values: [key] });
      if (!options.unprotected) await enqueue();
      if (isSlow) await delay(ms);
      if (rollsBack) throw new RollBack();
    });
    counts.committed++;
    return 'committed';
  } catch (error) {
    const outcome = error instanceof RollBack ? 'rolledBack' : 'unknown';
    counts[outcome]++;
    if (outcome === 'unknown') await until(() => isUp, 'PostgreSQL to be back', 120_000);
    return outcome;
  }
}

async function faults() {
  const all = [...Array(crashes).fill('crash'), ...Array(kills).fill('kill')];
  const plan = all.map((fault) => [random(), fault]).sort(([a], [b]) => a - b);
  for (const [at, [, fault]] of plan.entries()) {
    const turn = (rows * (at + 1)) / (plan.length + 1);
    while (counts.rows < turn) await watch();
    if (fault === 'kill') await nemesis.kill(() => undefined);
    else await crash();
  }
  while (counts.rows < rows) await watch();
  backlog = 0;
}

async function watch() {
  backlog = await environment.unfinished();
  await delay(100);
}

async function crash() {
  const [{ since }] = await environment.sql('SELECT clock_timestamp() AS since');
  isUp = false;
  await postgres.crash(random() < 0.5 ? 'SIGKILL' : 'SIGQUIT');
  await delay(random() * 2_000);
  await postgres.rise();
  isUp = true;
  await environment.sql('INSERT INTO torture_outages VALUES ($1, clock_timestamp())', [since]);
  counts.crashes++;
}

/** Compares the rows in PostgreSQL with the log of the writers, which lists the rows that must and must not exist. */
async function judgeRows() {
  const lines = environment.acknowledged();
  const present = new Set((await environment.sql('SELECT key FROM torture_rows')).map(({ key }) => key));
  const wrong = { committed: 0, rolledBack: 0, unknown: 0 };
  for (const { key, outcome } of lines)
    if (outcome !== 'unknown' && present.has(key) !== (outcome === 'committed')) wrong[outcome]++;
  if (wrong.committed > 0) environment.violate(`${wrong.committed} acknowledged rows are missing`);
  if (wrong.rolledBack > 0) environment.violate(`${wrong.rolledBack} rows were rolled back and are there`);
  if (lines.length !== rows) environment.violate(`${lines.length} of ${rows} outcomes are in the log`);
  counts.unknownCommitted = lines.filter(({ key, outcome }) => outcome === 'unknown' && present.has(key)).length;
  await load(environment, new Map(lines.map(({ key }) => [key, present.has(key) ? 1 : 0])), []);
  const jobs = `SELECT payload ->> 'key' AS key FROM jobs WHERE queue = 'torture'`;
  const phantoms = (await environment.sql(jobs)).filter(({ key }) => !present.has(key)).length;
  if (phantoms > 0) environment.violate(`${phantoms} jobs without their row`);
}

/** Measures from the commit to the first claim, outside of the faults and the time to catch up after them. */
function lags() {
  return summary(
    environment,
    `SELECT c.at - pg_xact_commit_timestamp(r.xmin) AS took FROM torture_rows r
     JOIN jobs j ON j.payload ->> 'key' = r.key JOIN torture_claims c ON c.job = j.uuid AND c.attempt = 1
     WHERE NOT EXISTS (SELECT FROM torture_outages WHERE c.at BETWEEN since AND till + interval '10 s')`,
  );
}
