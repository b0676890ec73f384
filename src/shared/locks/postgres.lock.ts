// Locks in PostgreSQL, for deployments without Redis: an advisory lock on a connection of its own, which holds it as long as it lives.
import pg from 'pg';
import type { DataSource } from 'typeorm';
import { sqlStateOf } from '../database/sql-state.js';
import type { Transaction } from '../database/transaction.js';
import type { Grip } from './lock-lease.js';
import { lockBusy, lockUnavailable } from './lock.errors.js';
import { LockService } from './lock.service.js';

const LOCK_NOT_AVAILABLE = '55P03';
/** To connect, and to answer whatever need not wait. */
const ANSWER_MS = 2_000;

/** pg knows a time limit for one statement, its types do not. */
type Bounded = pg.QueryConfig & { query_timeout: number };

/** Two keys with the same hash of 64 bits would wait for each other, which is harmless and will not be seen. */
const KEY = 'hashtextextended($1, 0)';

/**
 * Who waits, waits inside PostgreSQL, which serves in the order of coming. The server ends the session of a holder that
 * is silent for a ttl, and with it the lock. Every key that is held or waited for costs a connection. Needs a direct
 * connection: behind a pooler that changes sessions between transactions the lock would stay with somebody else's.
 */
export class PostgresLock extends LockService {
  constructor(
    private readonly dataSource: DataSource,
    transaction: Transaction,
  ) {
    super(transaction);
  }

  protected async take(key: string, ttl: number, giveUpAt: number): Promise<Grip> {
    const wait = Math.max(1, Math.ceil(giveUpAt - performance.now())); // 0 would be for ever
    const client = this.createClient(ttl, wait);
    const gone = new Promise<void>((resolve) => client.on('error', () => resolve()).once('end', resolve));
    try {
      await client.connect();
      const lock: Bounded = { text: `SELECT pg_advisory_lock(${KEY})`, values: [key], query_timeout: wait + ANSWER_MS };
      await client.query(lock);
      // The session that draws the fence holds the lock as long as it answers, so fences grow in the order of holding.
      const asked = performance.now();
      const { rows } = await client.query<{ fence: string }>(`SELECT nextval('lock_fences') AS fence`);
      return {
        fence: BigInt((rows[0] as { fence: string }).fence),
        asked,
        gone,
        renew: () => client.query('SELECT 1').then(() => true),
        release: () => this.release(client, key),
      };
    } catch (error) {
      void client.end();
      throw sqlStateOf(error) === LOCK_NOT_AVAILABLE ? lockBusy(key) : lockUnavailable(key, error);
    }
  }

  /** A session that does not answer may have ended long ago, and the lock with it: that is not ours to the end. */
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

  /** The same server and TLS as the pool's connections; other time limits, said at connecting to spare statements. */
  private createClient(ttl: number, wait: number): pg.Client {
    const { options } = (this.dataSource.driver as unknown as { master: pg.Pool }).master;
    const limits = `-c statement_timeout=0 -c lock_timeout=${wait} -c idle_session_timeout=${ttl}`;
    return new pg.Client({
      ...options,
      application_name: 'holdfast lock',
      connectionTimeoutMillis: ANSWER_MS,
      query_timeout: ANSWER_MS,
      statement_timeout: 0, // not said by this name, but above
      lock_timeout: 0,
      options: `${options.options ?? ''} ${limits}`,
    });
  }
}
