// The statements that enqueue and run jobs, which are frequent; most of them are in files of their own in sql/.
import { Injectable } from '@nestjs/common';
import { JobSettings } from '../jobs.settings.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { JobFailure, JobStatus } from '../job.entity.js';
import type { JobResult } from '../job.js';
import { QueueDriver } from '../drivers/queue.driver.js';
import type { Owner } from '../../common/access/permissions.js';

/** A job to insert. `runAt` null: now, by PostgreSQL's clock. */
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

/** A job that this process runs now. `attempt` is its fence. */
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
  /**
   * True when the claim left out rows because they would exceed their owner's limit of running jobs: due jobs behind them were
   * not read.
   */
  held_back: boolean;
}

/** Identifies one attempt of a job. */
export interface AttemptKey {
  id: string;
  attempt: number;
}

/** A job whose worker died. */
export interface Reaped extends AttemptKey {
  uuid: string;
  queue: string;
  type: string;
  status: JobStatus;
  /** Id of the dead worker. */
  worker: string;
  owner_uuid: string | null;
  request_id: string | null;
}

export interface DueQueue {
  queue: string;
  usual: boolean;
  suspect: boolean;
}

/** Maximum number of jobs of one queue that one statement puts into the line. */
const TURN_BATCH = 500;

const statement = sqlFiles(import.meta.url, 'jobs');
const column = <T, K extends keyof T>(rows: readonly T[], key: K): Array<T[K]> => rows.map((row) => row[key]);

type QueryRow = Record<string, unknown>;

/** Returns for each attempt whether it is in `found`. An earlier attempt of a job may run beside its current one. */
function areIn(attempts: readonly AttemptKey[], found: readonly AttemptKey[]): boolean[] {
  const current = new Set(found.map(({ id, attempt }) => `${id}/${attempt}`));
  return attempts.map(({ id, attempt }) => current.has(`${id}/${attempt}`));
}

@Injectable()
export class JobQueueRepository {
  constructor(
    private readonly transaction: Transaction,
    private readonly driver: QueueDriver,
    private readonly settings: JobSettings,
  ) {}

  /** Inserts jobs, in the running transaction if any. Returns the inserted ids: jobs with a taken unique key are skipped. */
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

  /** `concurrency`: slots of the queue in this process. One owner never has all of them, unless there is only one. */
  claim(
    queue: { name: string; concurrency: number },
    limit: number,
    worker: string,
    lease: number,
    starving: boolean,
  ): Promise<Claim[]> {
    const ownSlots = Math.max(1, queue.concurrency - 1);
    const values = [queue.name, limit, worker, lease, starving, this.settings.runningQuota, ownSlots];
    return this.transaction.query<Claim>(statement('claim', values));
  }

  /** Puts due delayed jobs and retries into the lines of these queues. Returns their number. */
  async assignTurns(queues: readonly string[]): Promise<number> {
    const rows = await this.transaction.query(statement('line-up', [queues, TURN_BATCH]));
    return rows.length;
  }

  async claimSuspect(queues: readonly string[], worker: string, lease: number): Promise<Claim | null> {
    const [row] = await this.transaction.query<Claim>(statement('claim-suspect', [queues, worker, lease]));
    return row ?? null;
  }

  findDue(queues: readonly string[]): Promise<DueQueue[]> {
    return this.transaction.read<DueQueue>(statement('due', [queues]));
  }

  /** Extends the leases. Returns for each attempt whether it is still the current one of its job. */
  async heartbeat(beats: ReadonlyArray<AttemptKey & { progress: number }>, lease: number): Promise<boolean[]> {
    const ids = column(beats, 'id');
    const attempts = column(beats, 'attempt');
    await this.transaction.query(statement('heartbeat', [ids, attempts, column(beats, 'progress'), lease]));
    return areIn(beats, await this.transaction.read<AttemptKey & QueryRow>(statement('still-mine', [ids, attempts])));
  }

  /** Completes attempts. Returns for each whether it was still the current one of its job. */
  async finish(done: ReadonlyArray<AttemptKey & { result: JobResult }>): Promise<boolean[]> {
    const results = done.map(({ result }) => (result === null ? null : JSON.stringify(result)));
    const rows = await this.transaction.query<AttemptKey & QueryRow>(
      statement('finish', [column(done, 'id'), column(done, 'attempt'), results]),
    );
    return areIn(done, rows);
  }

  /** Sets the result of a job that was completed in the same transaction. */
  async setResult(id: string, result: JobResult): Promise<void> {
    await this.transaction.query({
      name: 'jobs-set-result',
      text: 'UPDATE jobs SET result = $2 WHERE id = $1',
      values: [id, JSON.stringify(result)],
    });
  }

  /** Returns the job's new status; null when the attempt was not current any more. `wait` in ms. */
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

  /** Puts unfinished attempts back, into another queue if one is given, and announces them. */
  async release(keys: readonly AttemptKey[], queue: string | null = null): Promise<void> {
    const values = [column(keys, 'id'), column(keys, 'attempt'), this.driver.announces, queue];
    const rows = await this.transaction.query<{ queue: string }>(statement('release', values));
    this.driver.announce(new Set(column(rows, 'queue')));
  }

  /** Takes back the jobs whose lease has expired, and announces them. */
  async reap(code: string, message: string): Promise<Reaped[]> {
    const reaped = await this.transaction.query<Reaped>(statement('reap', [code, message, this.driver.announces]));
    if (reaped.length > 0) this.driver.announce(new Set(column(reaped, 'queue')));
    return reaped;
  }
}
