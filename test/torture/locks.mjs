// Torture test of locks: two processes share a counter, killed and frozen while they hold the lock.
// Run: `npm run build && node test/torture/locks.mjs`
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import pg from 'pg';
import { CreateLockFences1763700004000 as CreateLockFences } from '../../dist/migrations/1763700004000-create-lock-fences.js';
import { Holder, killAll, stop, until } from './locks.holder.mjs';

const { values: options } = parseArgs({
  options: {
    store: { type: 'string' }, // redis | postgres; by default both, if Redis is reachable
    times: { type: 'string', default: '10000' }, // final value of the counter
    kills: { type: 'string', default: '25' }, // SIGKILLs of a holder
    freezes: { type: 'string', default: '8' }, // SIGSTOPs of a holder until the other one had the lock, then SIGCONT
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    unprotected: { type: 'boolean', default: false }, // the red twin: neither lock nor fence
  },
});
const [times, kills, freezes, seed] = [options.times, options.kills, options.freezes, options.seed].map(Number);
const REDIS_URL = process.env.REDIS_URL ?? 'redis://localhost:6379';
const DATABASE_URL = process.env.DATABASE_URL ?? 'postgres://postgres@localhost:5432/postgres';
const TTL_MS = 300;
/** Points at which a holder is killed or frozen. Not frozen inside its transaction: a row lock would block the other. */
const POINTS = { kill: ['entered', 'read', 'written', 'committed'], freeze: ['entered', 'read', 'committed'] };

const began = performance.now();
const random = randomFrom(seed);
const counts = {};
const violations = [];
process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, stop);
const redis = new Redis(REDIS_URL, { lazyConnect: true, retryStrategy: null });
redis.on('error', () => undefined);
const redisAnswers = await redis.connect().then(
  () => true,
  () => false,
);
for (const store of options.store ? [options.store] : redisAnswers ? ['redis', 'postgres'] : ['postgres'])
  await torture(store);
const durationS = Math.round((performance.now() - began) / 100) / 10;
console.log(JSON.stringify({ id: 'locks', seed, counts, violations, durationS }));
process.exit(violations.length === 0 ? 0 : 1);

async function torture(store) {
  const name = `lock_torture_${randomBytes(6).toString('hex')}`;
  const server = await open(DATABASE_URL);
  await server.query(`CREATE DATABASE ${name}`);
  const url = new URL(DATABASE_URL);
  url.pathname = name;
  const database = await open(url.href);
  try {
    await new CreateLockFences().up(database);
    await database.query('CREATE TABLE counter AS SELECT 0::bigint AS n, 0::bigint AS fence');
    await database.query('CREATE TABLE writes (id bigserial PRIMARY KEY, n bigint NOT NULL, fence bigint NOT NULL)');
    const { unprotected } = options;
    await run(
      { store, unprotected, times, ttl: TTL_MS, prefix: name, databaseUrl: url.href, redisUrl: REDIS_URL },
      database,
    );
    await judge(store, database);
  } catch (error) {
    violations.push(`${store}: ${error.message}`);
  } finally {
    killAll();
    await database.end();
    await server.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await server.end();
    if (redisAnswers) await redis.del(`${name}:{lock:counter}`, `${name}:{lock:counter}:next`);
  }
}

async function run(task, database) {
  const events = { refused: 0, lost: 0, busy: 0, unavailable: 0, silent: 0 };
  const tally = (counts[task.store] = { writes: 0, kills: 0, freezes: 0, ...events });
  const spawn = () => new Holder(task, (event) => tally[event]++);
  const holders = [spawn(), spawn()];
  await Holder.start(...holders);
  const faults = shuffled([...Array(kills).fill('kill'), ...Array(freezes).fill('freeze')]);
  const goOn = async (by) => {
    const { n } = (await database.query('SELECT n FROM counter')).rows[0];
    await until(() => holds(database, 'n >= $1', Number(n) + by), `the counter to go on from ${n}`);
  };
  for (const fault of faults) {
    await goOn(Math.ceil(times / (faults.length + 1)));
    const which = Math.floor(random() * 2);
    const fence = await holders[which].stopAt(pick(POINTS[fault]));
    if (random() < 0.2) await delay(2 * TTL_MS); // a living process keeps the lock, however long it takes
    if (fault === 'kill') {
      await holders[which].kill();
      holders[which] = spawn();
      tally.kills++;
      await goOn(1); // the other one has taken over
      await Holder.start(holders[which]);
    } else {
      const otherIsIn = () => until(() => holds(database, 'fence > $1', fence), 'the other one to come in');
      await holders[which].freeze(task.unprotected ? () => delay(TTL_MS) : otherIsIn);
      const code = await holders[which].codeOf(fence);
      if (code !== 'LOCK_LOST')
        violations.push(`${task.store}: fence ${fence} was overtaken, but its turn ended with ${code}`);
      tally.freezes++;
    }
  }
  await goOn(Math.ceil(times / (faults.length + 1)));
  for (const holder of holders) await holder.finish();
}

/** Checks the database, not what the processes report. */
async function judge(store, database) {
  const { rows } = await database.query(`
    SELECT count(*)::int AS writes, (SELECT n FROM counter)::int AS counter,
      count(*) FILTER (WHERE n <> before + 1)::int AS skips, count(*) FILTER (WHERE fence <= last)::int AS falls
    FROM (SELECT n, fence, lag(n, 1, 0::bigint) OVER log AS before, lag(fence) OVER log AS last
          FROM writes WINDOW log AS (ORDER BY id)) AS log`);
  const { writes, counter, skips, falls } = rows[0];
  const { silent, lost } = Object.assign(counts[store], { writes });
  if (counter !== writes) violations.push(`${store}: the counter is ${counter} after ${writes} writes`);
  if (skips > 0) violations.push(`${store}: ${skips} writes did not add one to the write before`);
  if (falls > 0) violations.push(`${store}: ${falls} fences were not greater than the one before`);
  // A busy machine sometimes freezes a process; a lock that admits everyone would then be hidden by the fences.
  if (lost - freezes > 5 + writes / 1_000)
    violations.push(`${store}: ${lost} locks were lost, and only ${freezes} frozen out`);
  if (silent > 0) violations.push(`${store}: ${silent} holders met another one, but their lock reported no loss`);
}

async function open(connectionString) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  return client;
}

async function holds(database, condition, value) {
  return (await database.query(`SELECT ${condition} AS answer FROM counter`, [value])).rows[0].answer;
}

function shuffled(list) {
  return list
    .map((item) => [random(), item])
    .sort(([a], [b]) => a - b)
    .map(([, item]) => item);
}

function pick(list) {
  return list[Math.floor(random() * list.length)];
}

/** A seeded generator of numbers in [0, 1) (mulberry32). */
function randomFrom(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}
