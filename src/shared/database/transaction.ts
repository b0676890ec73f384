// The unit of work: a transaction that called code finds through the async context, and what happens at its end.
import { AsyncLocalStorage } from 'node:async_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { DataSource, EntityManager, QueryRunner } from 'typeorm';
import type pg from 'pg';
import { PipelinedConnections } from './pipelined-connections.js';
import { KeyedSemaphore } from '../libs/semaphore.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { sqlStateOf } from './sql-state.js';

/** Takes part in the end of a transaction. A transaction has one participant for each key, and any number of `onEnd` callbacks. */
export interface Participant {
  /** Called just before the commit; a failure rolls the transaction back. */
  prepare?(): Promise<void>;
  /** Called after the end, whatever the outcome. A failure is only logged. */
  finish(outcome: Outcome): void;
}

/** `unknown`: the connection broke during the commit. */
export type Outcome = 'committed' | 'rolled back' | 'unknown';

/** Called after the end of a transaction, which does not wait for its promise. A failure is only logged. */
type Callback = (outcome: Outcome) => void | Promise<void>;

interface Scope {
  runner: QueryRunner;
  participants: Map<object, Participant>;
  callbacks: Callback[];
}

/** serialization_failure and deadlock_detected: PostgreSQL expects a retry of the whole transaction. */
const RETRIED = new Set(['40001', '40P01']);
const MAX_TRIES = 3;
/** Shorter than REQUEST_TIMEOUT: a request that waits in vain is answered with 503. */
const MAX_TURN_WAIT_MS = 10_000;
/** query_canceled */
const CANCELED = '57014';

@Injectable()
export class Transaction {
  private readonly scopes = new AsyncLocalStorage<Scope>();
  private readonly turns = new KeyedSemaphore(1, Infinity, MAX_TURN_WAIT_MS);

  constructor(
    private readonly dataSource: DataSource,
    private readonly pipelined: PipelinedConnections,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** True inside a transaction. */
  get isRunning(): boolean {
    return this.scopes.getStore() !== undefined;
  }

  /** The entity manager of the running transaction, or the default one outside a transaction. */
  get manager(): EntityManager {
    return this.scopes.getStore()?.runner.manager ?? this.dataSource.manager;
  }

  /**
   * Runs `work` in one transaction (READ COMMITTED); inside a transaction it joins that one. Rolls back when `work` throws.
   * Retries after deadlocks and serialization failures, so `work` must be safe to repeat.
   */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.scopes.getStore()) return work();
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.once(work);
      } catch (error) {
        if (attempt >= MAX_TRIES || !RETRIED.has(sqlStateOf(error) ?? '')) throw error;
        await delay(Math.random() * 20 * 2 ** attempt); // full jitter, so that the two transactions do not conflict again
      }
    }
  }

  /**
   * Runs `work` after the earlier work of this key in this process. For work that locks a row which its user can make others
   * wait for: each of them would hold a connection, and a few requests of one user would take the connections of all others.
   * Throws SemaphoreFullError, which is answered as SERVICE_UNAVAILABLE.
   */
  inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.isRunning) return work(); // it has its connection, and may hold the lock already
    return this.turns.run(key, work);
  }

  /** `run` in the turn of this key: a request that waits holds no connection. */
  runInTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    return this.inTurn(key, () => this.run(work));
  }

  /** Returns the transaction's participant under `key`, created at first use; undefined outside a transaction. */
  participant<P extends Participant>(key: object, make: () => P): P | undefined {
    const participants = this.scopes.getStore()?.participants;
    if (!participants) return undefined;
    const known = participants.get(key) as P | undefined;
    if (known) return known;
    const made = make();
    participants.set(key, made);
    return made;
  }

  /** Calls `fn` after the commit of this transaction; outside a transaction at once, since a statement there is committed. */
  onCommitted(fn: () => void | Promise<void>): void {
    this.onEnd((outcome) => (outcome === 'committed' ? fn() : undefined));
  }

  /** Calls `fn` after the rollback of this transaction, also when `run` tries again; outside a transaction never. */
  onRolledBack(fn: () => void | Promise<void>): void {
    this.onEnd((outcome) => (outcome === 'rolled back' ? fn() : undefined));
  }

  /**
   * Calls `fn` with the outcome of this transaction; outside a transaction at once, with `committed`. The registration belongs
   * to one attempt: when `run` tries again, `work` registers again.
   */
  onEnd(fn: Callback): void {
    const scope = this.scopes.getStore();
    if (scope) scope.callbacks.push(fn);
    else void this.call(fn, 'committed');
  }

  /** Runs one named prepared statement on the transaction's connection, or on one of the pool outside a transaction. */
  async query<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const client = await this.client();
    return client ? (await client.query<R>(statement)).rows : this.queryPool<R>(statement);
  }

  /** Like `query`, for the most frequent reads. Outside a transaction it uses a shared pipelined connection, so no cancel stops it. */
  async read<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const client = await this.client();
    return client ? (await client.query<R>(statement)).rows : this.pipelined.query<R>(statement);
  }

  /** Runs statements in a transaction of their own, in one round trip. Null: one was refused, and nothing is written. */
  runPipelined(statements: readonly pg.QueryConfig[]): Promise<pg.QueryResultRow[][] | null> {
    if (this.isRunning) throw new Error('A transaction runs already.');
    return this.pipelined.transaction(statements);
  }

  /** Avoids the pool's `query`, which sends the statement in the async context of the caller that released the connection. */
  private async queryPool<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R[]> {
    const client = await this.pool.connect();
    let failure: Error | undefined;
    const fail = (error: unknown): void => void (failure = error as Error);
    client.on('error', fail);
    try {
      return (await client.query<R>(statement)).rows;
    } catch (error) {
      if (sqlStateOf(error) !== CANCELED) fail(error); // closes this connection: it may be the cause of the failure
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
    const scope: Scope = { runner: this.dataSource.createQueryRunner(), participants: new Map(), callbacks: [] };
    let outcome: Outcome = 'rolled back';
    try {
      await scope.runner.startTransaction();
      const result = await this.scopes.run(scope, work);
      for (const participant of scope.participants.values()) await participant.prepare?.();
      outcome = 'unknown';
      await scope.runner.commitTransaction();
      outcome = 'committed';
      return result;
    } catch (error) {
      // A commit that PostgreSQL refused did not happen; without its answer the outcome is unknown.
      if (outcome === 'unknown' && sqlStateOf(error) !== undefined) outcome = 'rolled back';
      // If the rollback fails, the connection and the transaction are gone; the first error has the reason.
      if (scope.runner.isTransactionActive) await scope.runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      for (const participant of scope.participants.values()) void this.call((end) => participant.finish(end), outcome);
      for (const callback of scope.callbacks) void this.call(callback, outcome);
      await scope.runner.release();
    }
  }

  /** Never rejects: the transaction has ended, so a failure of what follows must not look like one of the transaction. */
  private async call(callback: Callback, outcome: Outcome): Promise<void> {
    try {
      await callback(outcome);
    } catch (error) {
      this.logger.error({ err: error, outcome }, 'Failed to finish what depends on the end of a transaction');
    }
  }
}
