// Lock services on each store as several processes have them, and ways to lose a lock.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from '../../../src/shared/database/database.settings.js';
import { RedisSettings } from '../../../src/shared/redis/redis.settings.js';
import type { HeldLock } from '../../../src/shared/locks/lock-lease.js';
import type { LockService } from '../../../src/shared/locks/lock.service.js';
import { PostgresLock } from '../../../src/shared/locks/postgres.lock.js';
import { RedisLock } from '../../../src/shared/locks/redis.lock.js';
import { Redis } from '../../../src/shared/redis/redis.js';
import { servingOptions } from '../../../src/shared/database/database.options.js';
import { PipelinedConnections } from '../../../src/shared/database/pipelined-connections.js';
import { Transaction } from '../../../src/shared/database/transaction.js';
import { testConfig } from '../config.js';
import { until } from '../time/until.js';

/** A lock service with its own connections, like that of another process. */
export interface LockInstance {
  readonly locks: LockService;
  readonly transaction: Transaction;
  readonly redis: Redis | null;
  close(): Promise<void>;
}

/** `env`: REDIS_URL or REDIS_CLUSTER_NODES, and REDIS_PREFIX; without them PostgreSQL stores the locks. */
export async function openLock(databaseUrl: string, env: Record<string, string> = {}): Promise<LockInstance> {
  const config = testConfig(databaseUrl, env);
  const { servers, ...rest } = config.get(RedisSettings);
  const logger = pino({ enabled: false });
  const redis = servers ? new Redis({ servers, ...rest }, logger) : null;
  await redis?.open();
  const dataSource = await new DataSource(servingOptions(config.get(DatabaseSettings), databaseUrl)).initialize();
  const transaction = new Transaction(dataSource, new PipelinedConnections(dataSource), logger);
  const locks = redis ? new RedisLock(redis, transaction) : new PostgresLock(dataSource, transaction);
  return {
    locks,
    transaction,
    redis,
    close: async () => {
      await redis?.onApplicationShutdown();
      await dataSource.destroy();
    },
  };
}

/** Operations of an administrator on a lock. */
export interface LockAdmin {
  /** Takes a lock away from its holder. */
  steal(key: string): Promise<void>;
  close(): Promise<void>;
}

export async function postgresLockAdmin(databaseUrl: string): Promise<LockAdmin> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  const holder = `SELECT pid FROM pg_locks JOIN pg_database d ON d.oid = database WHERE datname = current_database()
    AND locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint = hashtextextended($1, 0)`;
  return {
    steal: async (key) => {
      const { rows } = await client.query<{ pid: number }>(holder, [key]);
      if (rows.length !== 1) throw new Error(`${rows.length} sessions hold ${key}`);
      await client.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
      await until(async () => (await client.query(holder, [key])).rowCount === 0, 'the session to end');
    },
    close: () => client.end(),
  };
}

export function redisLockAdmin({ redis }: LockInstance): LockAdmin {
  return {
    steal: async (key) => {
      const deleted = await redis?.run((client) => client.del(redisKeyOf(redis, key)));
      if (deleted !== 1) throw new Error(`No process holds ${key}`);
    },
    close: async () => undefined,
  };
}

/** A held lock of a test. */
export interface HeldTestLock extends HeldLock {
  /** Releases the lock and settles like `withLock`. */
  release(): Promise<void>;
}

/** Acquires the lock and waits until it is held. */
export async function hold({ locks }: LockInstance, key: string, ttl: number): Promise<HeldTestLock> {
  let end = (): void => undefined;
  const ended = new Promise<void>((resolve) => (end = resolve));
  return new Promise((resolve, reject) => {
    const over = locks.withLock(key, { ttl }, async (held) => {
      resolve({ ...held, release: () => (end(), over) });
      await ended;
    });
    over.catch(reject);
  });
}

export const redisKeyOf = (redis: Redis, key: string): string => `${redis.prefix}:{lock:${key}}`;

/** Returns a unique key prefix. */
export const newPrefix = (): string => `test-${randomUUID()}`;
