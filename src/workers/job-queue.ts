// Enqueues jobs: inserts the row in the caller's transaction and announces it after the commit.
import { Injectable } from '@nestjs/common';
import { newUuid } from '../shared/libs/new-uuid.js';
import { JobSettings } from './jobs.settings.js';
import { createBatcher } from '../shared/libs/batcher.js';
import { SnowflakeIds } from '../shared/database/snowflake-ids.js';
import { Transaction } from '../shared/database/transaction.js';
import { requestContext } from '../shared/logging/request-context.js';
import { QueueDriver } from './drivers/queue.driver.js';
import { JobQueueRepository, type NewJob } from './engine/job-queue.repository.js';
import { checkPayload } from './job-payload.js';
import type { JobDefinition, JobPriority } from './job.js';
import { JobErrors } from './jobs.errors.js';
import { JobsRepository } from './engine/jobs.repository.js';
import { announceAfterCommit } from './engine/announce-after-commit.js';
import type { Owner } from '../common/access/permissions.js';

export interface EnqueueOptions {
  /** The earliest start. Default: now. */
  runAt?: Date;
  priority?: JobPriority;
  /** The user who may see and cancel the job. */
  owner?: Owner;
}

export interface Enqueued {
  /** UUID. */
  id: string;
  /** False: an unfinished job with the same unique key existed already; `id` is the id of that job. */
  isNew: boolean;
}

/** Maximum number of rows in one statement. */
const MAX_ROWS = 1_000;
/** Number of tries, because the job that holds the unique key may finish between the insert and the lookup. */
const MAX_TRIES = 5;

/** Dead letters stay until an administrator replays or discards them. Their limit per owner is this factor times JOB_QUOTA. */
const DEAD_PER_WAITING = 10;

@Injectable()
export class JobQueue {
  /** Batches concurrent calls outside of transactions: one statement and one commit for all of them. */
  private readonly batchedInsert = createBatcher<NewJob, boolean>((jobs) => this.insert(jobs), {
    maxItems: MAX_ROWS,
    concurrency: 2,
  });

  constructor(
    private readonly repository: JobQueueRepository,
    private readonly jobs: JobsRepository,
    private readonly driver: QueueDriver,
    private readonly transaction: Transaction,
    private readonly ids: SnowflakeIds,
    private readonly settings: JobSettings,
  ) {}

  /**
   * Inserts the job in the caller's transaction if there is one, so that job and transaction commit or roll back together.
   * Without a transaction, the job is committed when the promise resolves. Throws VALIDATION_FAILED.
   */
  async enqueue<P extends object>(job: JobDefinition<P>, payload: P, options: EnqueueOptions = {}): Promise<Enqueued> {
    const row = await this.toRow(job, payload, options);
    for (let attempt = 1; ; attempt++) {
      const isNew = this.transaction.isRunning ? (await this.insertInside([row]))[0] : await this.batchedInsert(row);
      if (isNew) return { id: row.uuid, isNew };
      const holder = await this.jobs.findUnfinished(row.type, row.uniqueKey as string);
      if (holder !== null) return { id: holder, isNew: false };
      if (attempt === MAX_TRIES) throw new Error(`Unique key of ${row.type} was taken and free ${MAX_TRIES} times.`);
    }
  }

  /**
   * True when the owner has reached the limit of waiting jobs or of dead letters. Code that enqueues for an owner
   * without a request of that owner checks this first and enqueues nothing when it is true.
   */
  async isFullFor(owner: Owner): Promise<boolean> {
    const { waiting, dead } = await this.jobs.countUnsettled(owner);
    const { quota } = this.settings;
    return waiting >= quota || dead >= quota * DEAD_PER_WAITING;
  }

  /** Throws QUOTA_EXCEEDED when the owner has reached a limit. */
  async expectSpaceFor(owner: Owner): Promise<void> {
    if (await this.isFullFor(owner)) throw JobErrors.QUOTA_EXCEEDED(this.settings.quota, DEAD_PER_WAITING);
  }

  /**
   * Enqueues all jobs or none, in one statement. Only for jobs without unique keys.
   * Returns their UUIDs in the order of `payloads`. Throws VALIDATION_FAILED.
   */
  async enqueueAll<P extends object>(
    job: JobDefinition<P>,
    payloads: readonly P[],
    options: EnqueueOptions = {},
  ): Promise<string[]> {
    if (job.uniqueKey) throw new Error(`Job ${job.name} has unique keys: enqueue one by one.`);
    const rows: NewJob[] = [];
    for (const payload of payloads) rows.push(await this.toRow(job, payload, options));
    if (rows.length > 0) await (this.transaction.isRunning ? this.insertInside(rows) : this.insert(rows));
    return rows.map(({ uuid }) => uuid);
  }

  private async toRow<P extends object>(job: JobDefinition<P>, payload: P, options: EnqueueOptions): Promise<NewJob> {
    const checked = await checkPayload(job, payload);
    return {
      id: await this.ids.next(),
      uuid: newUuid(),
      type: job.name,
      queue: job.queue,
      payload: JSON.stringify(checked),
      priority: options.priority ?? job.priority,
      runAt: options.runAt ?? null,
      maxAttempts: job.attempts,
      uniqueKey: job.uniqueKey?.(checked, options.owner ?? null) ?? null,
      owner: options.owner ?? null,
      requestId: requestContext.getStore()?.requestId ?? null,
    };
  }

  private async insert(rows: readonly NewJob[]): Promise<boolean[]> {
    const fresh = await this.repository.enqueue(rows);
    this.driver.announce(new Set(rows.map(({ queue }) => queue)));
    return rows.map(({ id }) => fresh.has(id));
  }

  private async insertInside(rows: readonly NewJob[]): Promise<boolean[]> {
    const fresh = await this.repository.enqueue(rows);
    announceAfterCommit(
      this.transaction,
      this.driver,
      rows.map(({ queue }) => queue),
    );
    return rows.map(({ id }) => fresh.has(id));
  }
}
