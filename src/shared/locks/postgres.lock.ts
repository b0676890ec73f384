// Locks in PostgreSQL, for deployments without Redis: each is an advisory lock on its own connection and ends with it.
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { sqlStateOf } from '../database/sql-state.js';
import type { Transaction } from '../database/transaction.js';
import type { LockHandle } from './lock-lease.js';
import { lockBusy, lockUnavailable } from './lock.errors.js';
import { LockService } from './lock.service.js';

const LOCK_NOT_AVAILABLE = '55P03';
/** Time limit for connecting and for statements that do not wait. */
const ANSWER_MS = 2_000;

/** pg supports a time limit for one statement, but its types omit it. */
type Bounded = pg.QueryConfig & { query_timeout: number };

/** Two keys with the same 64-bit hash would wait for each other, which is harmless and practically never happens. */
const KEY = 'hashtextextended($1, 0)';

/**
 * Waiting callers wait inside PostgreSQL, which serves them in order of arrival. The server ends the session of a holder
 * that is silent for a ttl, and the lock with it. Every held or requested key needs a connection. Requires a direct
 * connection: a pooler that changes sessions between transactions would leave the lock on the session of another client.
 */
export class PostgresLock extends LockService {
  constructor(
    private readonly dataSource: DataSource,
    transaction: Transaction,
  ) {
    super(transaction);
  }

  protected async acquire(key: string, ttl: number, deadline: number): Promise<LockHandle> {
    const wait = Math.max(1, Math.ceil(deadline - performance.now())); // 0 would mean no limit
    const client = this.createClient(ttl, wait);
    const lost = new Promise<void>((resolve) => client.on('error', () => resolve()).once('end', resolve));
    try {
      await client.connect();
      const lock: Bounded = { text: `SELECT pg_advisory_lock(${KEY})`, values: [key], query_timeout: wait + ANSWER_MS };
      await client.query(lock);
      // The session that draws the fence holds the lock while it answers, so fences grow in the order of the holders.
      const requestedAt = performance.now();
      const { rows } = await client.query<{ fence: string }>(`SELECT nextval('lock_fences') AS fence`);
      return {
        fence: BigInt((rows[0] as { fence: string }).fence),
        requestedAt,
        lost,
        renew: () => client.query('SELECT 1').then(() => true),
        release: () => this.release(client, key),
      };
    } catch (error) {
      void client.end();
      throw sqlStateOf(error) === LOCK_NOT_AVAILABLE ? lockBusy(key) : lockUnavailable(key, error);
    }
  }

  /** True when the lock was still ours. A session that does not answer may have ended long ago, and the lock with it. */
  private async release(client: pg.Client, key: string): Promise<boolean> {
    try {
      const { rows } = await client.query<{ ours: boolean }>(`SELECT pg_advisory_unlock(${KEY}) AS ours`, [key]);
      return rows[0]?.ours === true;
    } catch {
      return false;
    } finally {
      void client.end();
    }
  }

  /** The server and TLS of the pool's connections; other time limits, set while connecting to save statements. */
  private createClient(ttl: number, wait: number): pg.Client {
    const { options } = (this.dataSource.driver as unknown as { master: pg.Pool }).master;
    const limits = `-c statement_timeout=0 -c lock_timeout=${wait} -c idle_session_timeout=${ttl}`;
    return new pg.Client({
      ...options,
      application_name: 'holdfast lock',
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
      statement_timeout: 0, // set above instead
      lock_timeout: 0,
      options: `${options.options ?? ''} ${limits}`,
    });
  }
}
