// The unit of work: one transaction that callers below find without being handed it, and who has a say in its end.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type pg from 'pg';
import { ReadLanes } from './read-lanes.js';
import { sqlStateOf } from './sql-state.js';

/** Who has a say in a transaction's end, and hears of it. */
export interface Participant {
  /** Just before the commit; a failure rolls the transaction back. */
  prepare(): Promise<void>;
  /** After the end, however it ended. Must not throw. `unknown`: the connection broke during the commit. */
  finish(outcome: Outcome): void;
}

export type Outcome = 'committed' | 'rolled back' | 'unknown';

interface Scope {
  runner: QueryRunner;
  participants: Map<object, Participant>;
}

/** serialization_failure and deadlock_detected: the database asks us to try the whole transaction again. */
const RETRIED = new Set(['40001', '40P01']);
const MOST_TRIES = 3;
/** query_canceled */
const CANCELED = '57014';

@Injectable()
export class Transaction {
  private readonly scopes = new AsyncLocalStorage<Scope>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly lanes: ReadLanes,
  ) {}

  /** Whether the caller is inside a transaction. */
  get isRunning(): boolean {
    return this.scopes.getStore() !== undefined;
  }

  /** The running transaction's entity manager, or the plain one outside any. */
  get manager(): EntityManager {
    return this.scopes.getStore()?.runner.manager ?? this.dataSource.manager;
  }

  /**
   * Runs `work` in one transaction (READ COMMITTED); inside another it joins that one. Rolled back when `work` throws.
   * Deadlocks and serialization failures are tried again, so `work` must be safe to repeat.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.scopes.getStore()) return work();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(work);
      } catch (error) {
        if (attempt >= MOST_TRIES || !RETRIED.has(sqlStateOf(error) ?? '')) throw error;
        await delay(Math.random() * 20 * 2 ** attempt); // full jitter, so that the two do not meet again
      }
    }
  }

  /** The running transaction's participant under `key`, made on first asking; undefined outside any. */
  participant<P extends Participant>(key: object, make: () => P): P | undefined {
    const participants = this.scopes.getStore()?.participants;
    if (!participants) return undefined;
    const known = participants.get(key) as P | undefined;
    if (known) return known;
    const made = make();
    participants.set(key, made);
    return made;
  }

  /** One named prepared statement on the running transaction's connection, else on any of the pool. */
  async query<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const client = await this.client();
    return client ? (await client.query<R>(statement)).rows : this.queryPool<R>(statement);
  }

  /** The same for the hottest reads, which outside of a transaction go down a pipelined lane: many callers' at once, so no cancel stops them. */
  async read<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const client = await this.client();
    return client ? (await client.query<R>(statement)).rows : this.lanes.query<R>(statement);
  }

  /** Not the pool's own `query`: it sends the statement in the context of whoever gave the connection back, not in ours. */
  private async queryPool<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    const fail = (error: unknown): void => void (failure = error as Error);
    client.on('error', fail);
    try {
      return (await client.query<R>(statement)).rows;
    } catch (error) {
      if (sqlStateOf(error) !== CANCELED) fail(error); // a new connection has forgotten what may be wrong with this one
      throw error;
    } finally {
      client.off('error', fail);
      client.release(failure);
    }
  }

  private client(): Promise<pg.PoolClient> | undefined {
    return this.scopes.getStore()?.runner.connect() as Promise<pg.PoolClient> | undefined;
  }

  private get pool(): pg.Pool {
    return (this.dataSource.driver as unknown as { master: pg.Pool }).master;
  }

  private async once<T>(work: () => Promise<T>): Promise<T> {
    const scope: Scope = { runner: this.dataSource.createQueryRunner(), participants: new Map() };
    let outcome: Outcome = 'rolled back';
    try {
      await scope.runner.startTransaction();
      const result = await this.scopes.run(scope, work);
      for (const participant of scope.participants.values()) await participant.prepare();
      outcome = 'unknown';
      await scope.runner.commitTransaction();
      outcome = 'committed';
      return result;
    } catch (error) {
      // A commit that PostgreSQL itself refused did not happen; without its word, nobody knows.
      if (outcome === 'unknown' && sqlStateOf(error) !== undefined) outcome = 'rolled back';
      // A rollback that fails means the connection is gone, and the transaction with it: the first error says why.
      if (scope.runner.isTransactionActive) await scope.runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      for (const participant of scope.participants.values()) participant.finish(outcome);
      await scope.runner.release();
    }
  }
}
