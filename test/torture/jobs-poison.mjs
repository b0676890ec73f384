// Torture test of poison jobs, which kill their workers while harmless jobs run beside them.
// Run: `npm run build && node test/torture/jobs-poison.mjs`
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { JobQueue } from '../../dist/src/workers/job-queue.js';
import { Brittle } from './jobs.definitions.mjs';
import { Environment } from './jobs.environment.mjs';
import { judge, load } from './jobs.oracle.mjs';
import { randomFrom } from './servers.mjs';

const { values: options } = parseArgs({
  options: {
    driver: { type: 'string', default: 'postgres' },
    full: { type: 'boolean', default: false }, // 100 poison jobs, 10,000 harmless ones
    poison: { type: 'string' },
    others: { type: 'string', default: '100' }, // harmless jobs for each poison job
    concurrency: { type: 'string', default: '50' },
    processes: { type: 'string', default: '4' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    // The red twin: also counts the death against the jobs beside the poison job.
    unprotected: { type: 'boolean', default: false },
  },
});
const poison = Number(options.poison ?? (options.full ? 100 : 10));
const [others, seed] = [Number(options.others), Number(options.seed)];
const random = randomFrom(seed);
const BATCH = 500;

const environment = new Environment();
const counts = { jobs: 0, poison, deaths: 0 };
try {
  const imports = options.unprotected ? [fileURLToPath(new URL('jobs.blaming.mjs', import.meta.url))] : [];
  const env = { TORTURE_CONCURRENCY: options.concurrency };
  await environment.open({ driver: options.driver, env, imports, processes: Number(options.processes) });
  await enqueue();
  await environment.quiesce();
  const lines = environment.acknowledged();
  await load(environment, new Map(lines.map(({ key }) => [key, key.startsWith('poison') ? 0 : 1])), lines);
  Object.assign(counts, await judge(environment, { dead: poison }), { deaths: environment.workerPool.deaths });
  await judgeKills();
} catch (error) {
  environment.violate(error.stack);
} finally {
  await environment.close();
}
process.exit(environment.verdict({ id: 'jobs-poison', driver: options.driver, seed, counts }));

async function enqueue() {
  const all = Array.from({ length: poison * (others + 1) }, (_, n) => {
    const kind = n < poison ? 'poison' : random() < 0.3 ? 'deaf' : 'usual';
    return [random(), { key: `${kind} ${n}`, work: 5 + Math.floor(random() * 45), kind }];
  });
  const payloads = all.sort(([a], [b]) => a - b).map(([, payload]) => payload);
  for (let at = 0; at < payloads.length; at += BATCH) {
    const batch = payloads.slice(at, at + BATCH);
    const ids = await environment.get(JobQueue).enqueueAll(Brittle, batch);
    environment.acknowledge(batch.map(({ key }, n) => ({ key, id: ids[n] })));
    counts.jobs += batch.length;
  }
}

/** Compares the kills with the file in which each poison job wrote its key before it killed its worker. */
async function judgeKills() {
  const kills = new Map();
  const names = existsSync(environment.deathsFile)
    ? readFileSync(environment.deathsFile, 'utf8').trim().split('\n')
    : [];
  for (const name of names) kills.set(name, (kills.get(name) ?? 0) + 1);
  counts.mostKills = Math.max(0, ...kills.values());
  if (kills.size !== poison) environment.violate(`${kills.size} of ${poison} poison jobs were tried`);
  if (counts.mostKills > Brittle.attempts) environment.violate(`one job killed ${counts.mostKills} workers`);
  if (names.length !== counts.deaths)
    environment.violate(`${counts.deaths} workers died, ${names.length} of them of poison`);
  const innocent = `SELECT payload ->> 'key' AS key, attempt FROM jobs WHERE status = 'FAILED' AND payload ->> 'kind' <> 'poison'`;
  counts.innocent = (await environment.sql(innocent)).length;
  if (counts.innocent > 0) environment.violate(`${counts.innocent} innocent dead letters`);
}
