// A process of the lock torture: adds one to the counter under the lock, repeatedly, and pauses where the driver asks.
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from '../../dist/src/shared/database/database.settings.js';
import { RedisSettings } from '../../dist/src/shared/redis/redis.settings.js';
import { loadConfig } from '../../dist/src/shared/config/app-config.js';
import { PostgresLock } from '../../dist/src/shared/locks/postgres.lock.js';
import { RedisLock } from '../../dist/src/shared/locks/redis.lock.js';
import { Redis } from '../../dist/src/shared/redis/redis.js';
import { servingOptions } from '../../dist/src/shared/database/database.options.js';
import { PipelinedConnections } from '../../dist/src/shared/database/pipelined-connections.js';
import { Transaction } from '../../dist/src/shared/database/transaction.js';
import { createLogger } from '../../dist/src/shared/logging/logger.js';

const { store, unprotected, databaseUrl, redisUrl, prefix, ttl } = JSON.parse(process.argv[2]);
process.once('disconnect', () => process.exit()); // the driver has ended

const secret = 'x'.repeat(32);
const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
const given = { NODE_ENV: 'test', DATABASE_URL: databaseUrl, REDIS_URL: redisUrl, REDIS_PREFIX: prefix, ...secrets };
const config = loadConfig(given);
const dataSource = await new DataSource(servingOptions(config.get(DatabaseSettings), databaseUrl)).initialize();
const logger = createLogger(config, { write: () => undefined });
const redis = new Redis(config.get(RedisSettings), logger);
const client = new pg.Client({ connectionString: databaseUrl });
await client.connect();

const EVENTS = { LOCK_LOST: 'lost', LOCK_BUSY: 'busy', LOCK_UNAVAILABLE: 'unavailable' };
let stopAt = null;
let stoppedIn = null;
let finish = false;
process.on('message', (message) => {
  stopAt = message.stopAt ?? stopAt;
  finish ||= message.finish === true;
});

/** Pauses, as a slow step of the work would, until the driver sends "go" or kills. The lease is renewed meanwhile. */
async function at(point, fence) {
  if (stopAt !== point) return;
  stopAt = null;
  stoppedIn = String(fence);
  process.send({ stopped: point, fence: stoppedIn });
  await receive('go');
}

/** Adds one without checking the signal, as the worst work would: only the fences stop it. Returns true when refused. */
async function addOne(fence) {
  await at('entered', fence);
  const read = unprotected
    ? await query('SELECT n FROM counter')
    : await query('UPDATE counter SET fence = $1 WHERE fence < $1 RETURNING n', fence);
  if (read.rowCount === 0) return true;
  await at('read', fence);
  const n = Number(read.rows[0].n) + 1;
  await query('BEGIN');
  const written = unprotected
    ? await query('UPDATE counter SET n = $1', n)
    : await query('UPDATE counter SET n = $1 WHERE fence = $2', n, fence);
  if (written.rowCount === 1) await query('INSERT INTO writes (n, fence) VALUES ($1, $2)', n, fence);
  await at('written', fence);
  await query('COMMIT');
  await at('committed', fence);
  return written.rowCount === 0;
}

function query(text, ...values) {
  return client.query({ name: text, text, values });
}

async function unlocked(_key, _options, work) {
  const { rows } = await client.query(`SELECT nextval('lock_fences') AS fence`);
  return work({ fence: BigInt(rows[0].fence) });
}

const transaction = new Transaction(dataSource, new PipelinedConnections(dataSource), logger);
const real = store === 'redis' ? new RedisLock(redis, transaction) : new PostgresLock(dataSource, transaction);
const locks = unprotected ? { withLock: unlocked } : real;
if (store === 'redis') await redis.open();

process.send({ ready: true });
await receive('start');
while (!finish) {
  let refused = false;
  let code = 'OK';
  try {
    await locks.withLock('counter', { ttl }, async ({ fence }) => {
      refused = await addOne(fence);
    });
    if (refused) report('silent'); // another process had the lock, but this lock reported no loss
  } catch (error) {
    code = error.code;
    if (!(code in EVENTS)) throw error;
    report(EVENTS[code]);
    await delay(20); // without a pause, repeated refusals would delay the message that ends the worker
  }
  if (refused) report('refused');
  if (stoppedIn !== null) process.send({ ended: stoppedIn, refused, code });
  stoppedIn = null;
}
process.exit();

async function receive(word) {
  for (let message; message?.[word] !== true;) [message] = await once(process, 'message');
}

function report(event) {
  process.send({ event });
}
