// Reads and administrates the jobs table. The statements that enqueue and run jobs are in job-queue.repository.ts.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import type { Page, PageRequest } from '../../common/repositories/page.js';
import {
  BaseRepository,
  type KeyRange,
  type Purged,
  type SortColumn,
} from '../../common/repositories/base.repository.js';
import { NO_EVENTS } from '../../common/repositories/event-of-row.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Job, type JobStatus } from '../job.entity.js';
import { jobDefinitions } from '../job.js';
import { JobErrors } from '../jobs.errors.js';
import { eventOrigin } from '../../shared/events/record-events.js';
import type { Owner } from '../../common/access/permissions.js';

const statement = sqlFiles(import.meta.url, 'jobs');

/** Columns of a list of dead letters: no payloads, since they may be large. */
const LISTED = [
  ...(['id', 'uuid', 'type', 'queue', 'reason', 'errors', 'attempt'] as const),
  ...(['ownerUuid', 'createdAt', 'finishedAt', 'version'] as const),
];

export interface JobsRequest extends PageRequest {
  status?: JobStatus;
  type?: string;
  queue?: string;
}

export interface DeadLettersFilter {
  queue?: string;
  type?: string;
  /** Code of the last failure. */
  reason?: string;
}

@Injectable()
export class JobsRepository extends BaseRepository<Job> {
  protected readonly entity = Job;
  protected readonly eventShape = NO_EVENTS; // the statements that end jobs, and the services, record theirs
  /** Sorts by id, which grows with time: an index on the creation time would cost every job three more index writes. */
  protected readonly sorts: Record<string, SortColumn<Job>> = {
    createdAt: { sql: 'row.id', type: 'bigint', value: (row) => row.id },
    finishedAt: { sql: 'row.finished_at', type: 'timestamptz', value: (row) => row.finishedAt as Date },
  };

  /** Returns the UUID of the job that holds the unique key; null when it has finished meanwhile. */
  async findUnfinished(type: string, uniqueKey: string): Promise<string | null> {
    const [row] = await this.transaction.query<{ uuid: string }>({
      name: 'jobs-find-unfinished',
      text: `SELECT uuid FROM jobs WHERE type = $1 AND unique_key = $2 AND status IN ('QUEUED', 'RUNNING', 'RETRYING')`,
      values: [type, uniqueKey],
    });
    return row?.uuid ?? null;
  }

  /** Runs `work` in a transaction; other requests to enqueue for this owner wait for its end. */
  enqueueing<T>(owner: Owner, work: () => Promise<T>): Promise<T> {
    return this.lockingOwner(owner.key, work);
  }

  /** Counts the owner's waiting jobs and dead letters, by the index of each. */
  async countUnsettled(owner: Owner): Promise<{ waiting: number; dead: number }> {
    const [row] = await this.transaction.query<{ waiting: number; dead: number }>({
      name: 'jobs-count-unsettled',
      text: `SELECT
          (SELECT count(*)::integer FROM jobs WHERE owner_id = $1 AND status IN ('QUEUED', 'RETRYING')) AS waiting,
          (SELECT count(*)::integer FROM jobs WHERE owner_id = $1 AND status = 'FAILED' AND deleted_at IS NULL) AS dead`,
      values: [owner.key],
    });
    return row ?? { waiting: 0, dead: 0 };
  }

  /** `owner` null: jobs of any owner. */
  find(uuid: string, owner: Owner | null): Promise<Job | null> {
    const row = this.rows().where({ uuid });
    if (owner) row.andWhere('(row.owner_id = :owner) IS TRUE', { owner: owner.key }); // see changeStatement
    return row.getOne();
  }

  list(query: JobsRequest, owner: Owner | null): Promise<Page<Job>> {
    const rows = this.pageQuery('present');
    if (owner) rows.where('row.owner_id = :owner', { owner: owner.key });
    if (query.status) rows.where('row.status = :status', { status: query.status });
    if (query.type) rows.where('row.type = :type', { type: query.type });
    if (query.queue) rows.where('row.queue = :queue', { queue: query.queue });
    return this.page(rows, query);
  }

  /** Returns true when a job was cancelled. `owner` null: jobs of any owner. */
  async cancel(uuid: string, owner: Owner | null, expected: ExpectedVersions): Promise<boolean> {
    const { versions = null, isRequired = true } = expected ?? {};
    const [actorId] = eventOrigin();
    const values = [uuid, owner?.key ?? null, versions, isRequired, actorId];
    return (await this.transaction.query(statement('cancel', values))).length > 0;
  }

  /** The status is a literal, not a parameter, so that PostgreSQL uses the partial index of dead letters. */
  listDead({ queue, type, reason, ...request }: DeadLettersFilter & PageRequest): Promise<Page<Job>> {
    const rows = this.pageQuery('present', LISTED).where(`row.status = 'FAILED'`);
    if (queue) rows.where('row.queue = :queue', { queue });
    if (type) rows.where('row.type = :type', { type });
    if (reason) rows.where('row.reason = :reason', { reason });
    return this.page(rows, request);
  }

  findDead(uuid: string): Promise<Job | null> {
    return this.rows().where({ uuid, status: 'FAILED' }).getOne();
  }

  /**
   * Locks matching dead letters to replay, the oldest first, and returns their UUIDs. `found` also counts those that are
   * left out because of an equal unique key.
   */
  async claimDead(filter: DeadLettersFilter & { limit: number }): Promise<{ ids: string[]; found: number }> {
    const { queue = null, type = null, reason = null, limit } = filter;
    const rows = await this.transaction.query<{ uuid: string; found: number }>(
      statement('claim-dead', [queue, type, reason, limit]),
    );
    return { ids: rows.map(({ uuid }) => uuid), found: rows[0]?.found ?? 0 };
  }

  /** Replays those that are dead letters, and returns them. Violates `jobs_unique` when a unique key is taken. */
  replay(uuids: readonly string[], announces: boolean): Promise<Array<{ uuid: string; queue: string }>> {
    const known = [...jobDefinitions().values()];
    const types = known.map(({ name }) => name);
    const attempts = known.map((job) => job.attempts);
    return this.transaction.query(statement('replay', [uuids, types, attempts, announces]));
  }

  /** Discards a dead letter. Throws NOT_DEAD. */
  async discard(uuid: string, expected: ExpectedVersions): Promise<void> {
    await this.remove({
      where: { uuid, status: 'FAILED' },
      expected,
      tags: [],
      event: null, // the service emits job.discarded
      missing: () => JobErrors.NOT_DEAD(uuid),
    });
  }

  /** Deletes finished and discarded jobs after `days`. */
  async sweep({ after, below, limit }: KeyRange, days: number): Promise<Purged> {
    const [row] = await this.transaction.query<Purged & Record<string, unknown>>(
      statement('sweep', [after, below, days, limit]),
    );
    return row as Purged;
  }

  /** Deletes counts older than a day; the rates need one hour. */
  async deleteOldCounts(): Promise<void> {
    await this.transaction.query({
      name: 'jobs-delete-counts',
      text: `DELETE FROM job_counts WHERE minute < now() - interval '1 day'`,
    });
  }
}
