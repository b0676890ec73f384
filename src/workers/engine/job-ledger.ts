// The hot statements on the jobs' table: each is one atom, in a file of its own under sql/.
import { Injectable } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { JobFailure, JobStatus } from '../job.entity.js';
import type { JobResult } from '../job.js';
import { QueueDriver } from '../drivers/queue.driver.js';
import type { Owner } from '../../common/access/permissions.js';

/** A job to be. `runAt` null: now, by PostgreSQL's clock. */
export interface NewJob {
  id: string;
  uuid: string;
  type: string;
  queue: string;
  /** JSON text. */
  payload: string;
  priority: number;
  runAt: Date | null;
  maxAttempts: number;
  uniqueKey: string | null;
  owner: Owner | null;
  requestId: string | null;
}

/** A job that this process runs now; `attempt` is its fence. */
export interface Claim {
  id: string;
  uuid: string;
  type: string;
  queue: string;
  payload: unknown;
  attempt: number;
  owner_id: string | null;
  owner_uuid: string | null;
  request_id: string | null;
  /** The line goes on with jobs of owners who have as many running as they may: others behind them were not looked at. */
  held_back: boolean;
}

/** An attempt, as the ledger knows it. */
export interface AttemptKey {
  id: string;
  attempt: number;
}

/** A job whose worker is gone. */
export interface Reaped extends AttemptKey {
  uuid: string;
  queue: string;
  type: string;
  status: JobStatus;
  owner_uuid: string | null;
}

export interface DueQueue {
  queue: string;
  usual: boolean;
  suspect: boolean;
}

/** Jobs of one queue that one statement puts into its line. */
const LINE_UP_BATCH = 500;

const statement = sqlFiles(import.meta.url, 'jobs');
const column = <T, K extends keyof T>(rows: readonly T[], key: K): Array<T[K]> => rows.map((row) => row[key]);

@Injectable()
export class JobLedger {
  constructor(
    private readonly transaction: Transaction,
    private readonly driver: QueueDriver,
    private readonly config: AppConfig,
  ) {}

  /** In the running transaction, or each call for itself. Gives the ids that are new: others' unique keys are taken. */
  async enqueue(jobs: readonly NewJob[]): Promise<Set<string>> {
    const rows = await this.transaction.query<{ id: string }>(
      statement('enqueue', [
        column(jobs, 'id'),
        column(jobs, 'uuid'),
        column(jobs, 'type'),
        column(jobs, 'queue'),
        column(jobs, 'payload'),
        column(jobs, 'priority'),
        column(jobs, 'runAt'),
        column(jobs, 'maxAttempts'),
        column(jobs, 'uniqueKey'),
        jobs.map(({ owner }) => owner?.key ?? null),
        jobs.map(({ owner }) => owner?.id ?? null),
        column(jobs, 'requestId'),
        this.driver.announces,
      ]),
    );
    return new Set(column(rows, 'id'));
  }

  claim(queue: string, most: number, worker: string, lease: number, starving: boolean): Promise<Claim[]> {
    const { runningQuota } = this.config.jobs;
    return this.transaction.query<Claim>(statement('claim', [queue, most, worker, lease, starving, runningQuota]));
  }

  /** Puts delayed jobs and retries whose time has come into the lines of these queues. Gives how many. */
  async lineUp(queues: readonly string[]): Promise<number> {
    const rows = await this.transaction.query(statement('line-up', [queues, LINE_UP_BATCH]));
    return rows.length;
  }

  async claimSuspect(queues: readonly string[], worker: string, lease: number): Promise<Claim | null> {
    const [row] = await this.transaction.query<Claim>(statement('claim-suspect', [queues, worker, lease]));
    return row ?? null;
  }

  findDue(queues: readonly string[]): Promise<DueQueue[]> {
    return this.transaction.read<DueQueue>(statement('due', [queues]));
  }

  /** Pushes the leases on. Gives the ids of those that are not ours any more. */
  async heartbeat(beats: ReadonlyArray<AttemptKey & { progress: number }>, lease: number): Promise<Set<string>> {
    const ids = column(beats, 'id');
    const attempts = column(beats, 'attempt');
    await this.transaction.query(statement('heartbeat', [ids, attempts, column(beats, 'progress'), lease]));
    const mine = await this.transaction.read<{ id: string }>(statement('still-mine', [ids, attempts]));
    const lost = new Set(ids);
    for (const { id } of mine) lost.delete(id);
    return lost;
  }

  /** Gives the ids that were still ours, and are done now. */
  async finish(done: ReadonlyArray<AttemptKey & { result: JobResult }>): Promise<Set<string>> {
    const results = done.map(({ result }) => (result === null ? null : JSON.stringify(result)));
    const rows = await this.transaction.query<{ id: string }>(
      statement('finish', [column(done, 'id'), column(done, 'attempt'), results]),
    );
    return new Set(column(rows, 'id'));
  }

  /** Of a job that was finished in this very transaction. */
  async setResult(id: string, result: JobResult): Promise<void> {
    await this.transaction.query({
      name: 'jobs-set-result',
      text: 'UPDATE jobs SET result = $2 WHERE id = $1',
      values: [id, JSON.stringify(result)],
    });
  }

  /** Gives what became of the job; null when the attempt was not ours any more. `wait` in ms. */
  async fail(
    key: AttemptKey,
    wait: number,
    final: boolean,
    failure: JobFailure,
  ): Promise<'RETRYING' | 'FAILED' | null> {
    const values = [key.id, key.attempt, wait, final, JSON.stringify(failure), this.driver.announces];
    const [row] = await this.transaction.query<{ status: 'RETRYING' | 'FAILED' }>(statement('fail', values));
    return row?.status ?? null;
  }

  /** Gives the queues that have work again. */
  async release(keys: readonly AttemptKey[]): Promise<Set<string>> {
    const values = [column(keys, 'id'), column(keys, 'attempt'), this.driver.announces];
    const rows = await this.transaction.query<{ queue: string }>(statement('release', values));
    return new Set(column(rows, 'queue'));
  }

  reap(code: string, message: string): Promise<Reaped[]> {
    return this.transaction.query<Reaped>(statement('reap', [code, message, this.driver.announces]));
  }
}
