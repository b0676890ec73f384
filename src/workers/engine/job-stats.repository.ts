// Statistics of the jobs by queue.
import { Injectable } from '@nestjs/common';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { JobCount } from './job-counts.js';

export interface QueueStats {
  queue: string;
  waiting: number;
  delayed: number;
  oldest_wait_ms: number | null;
  running: number;
  workers: number;
  dead: number;
  per_minute: Record<JobCount, number>;
  last_hour: Record<JobCount, number>;
}

const statement = sqlFiles(import.meta.url, 'jobs');

@Injectable()
export class JobStatsRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Returns the statistics of `queues` and of every other queue that has jobs or counts. */
  list(queues: readonly string[]): Promise<QueueStats[]> {
    return this.transaction.query<QueueStats>(statement('stats', [queues]));
  }
}
