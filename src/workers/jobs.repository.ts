// The jobs' table, for whoever asks about jobs; what runs them is in the ledger.
import { Injectable } from '@nestjs/common';
import type { Page } from '../common/dto/page.dto.js';
import { BaseRepository, type SortColumn } from '../common/repositories/base.repository.js';
import { sqlFiles } from '../shared/services/database/sql-file.js';
import type { ListJobsQuery } from './dto/job.dto.js';
import { Job } from './job.entity.js';
import type { JobOwner } from './job.js';

const statement = sqlFiles(import.meta.url, 'jobs');

@Injectable()
export class JobsRepository extends BaseRepository<Job> {
  protected readonly entity = Job;
  /** Keys grow with time: an index on the time of creation would cost every job three writes more. */
  protected readonly sorts: Record<string, SortColumn<Job>> = {
    createdAt: { sql: 'row.id', type: 'bigint', value: (row) => row.id },
  };

  /** The UUID of the job that holds the unique key; null when it has finished meanwhile. */
  async findUnfinished(type: string, uniqueKey: string): Promise<string | null> {
    const [row] = await this.transaction.query<{ uuid: string }>({
      name: 'jobs-find-unfinished',
      text: `SELECT uuid FROM jobs WHERE type = $1 AND unique_key = $2 AND status IN ('QUEUED', 'RUNNING', 'RETRYING')`,
      values: [type, uniqueKey],
    });
    return row?.uuid ?? null;
  }

  /** `owner` null: anybody's. */
  find(uuid: string, owner: JobOwner | null): Promise<Job | null> {
    return this.rows()
      .where({ uuid, ...(owner && { ownerId: owner.key }) })
      .getOne();
  }

  list(query: ListJobsQuery, owner: JobOwner | null): Promise<Page<Job>> {
    const rows = this.rows();
    if (owner) rows.andWhere('row.owner_id = :owner', { owner: owner.key });
    if (query.status) rows.andWhere('row.status = :status', { status: query.status });
    if (query.type) rows.andWhere('row.type = :type', { type: query.type });
    if (query.queue) rows.andWhere('row.queue = :queue', { queue: query.queue });
    return this.page(rows, query);
  }

  /** Whether there was something to cancel. `owner` null: anybody's. */
  async cancel(uuid: string, owner: JobOwner | null): Promise<boolean> {
    const rows = await this.transaction.query(statement('cancel', [uuid, owner?.key ?? null]));
    return rows.length > 0;
  }
}
