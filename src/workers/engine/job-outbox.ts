// Outbox of jobs to announce to the broker: the statements on the column `announce_at`.
import { sqlFiles } from '../../shared/database/sql-file.js';
import type { Transaction } from '../../shared/database/transaction.js';

/** A waiting job that is due. */
export interface DueJob {
  id: string;
  uuid: string;
  queue: string;
}

/** Re-announce a job after 24 h, even if its wake-up may still be queued. */
const MAX_SILENCE_MS = 86_400_000;

const statement = sqlFiles(import.meta.url, 'jobs');

export class JobOutbox {
  constructor(private readonly transaction: Transaction) {}

  /** Returns due jobs that are not announced yet, and marks them as announced. */
  take(queues: readonly string[], limit: number): Promise<DueJob[]> {
    return this.transaction.query<DueJob>(statement('announce', [queues, limit, MAX_SILENCE_MS]));
  }

  /** Returns the queues with jobs that still wait `ms` after their announcement. */
  async findOverdue(queues: readonly string[], ms: number): Promise<string[]> {
    const rows = await this.transaction.read<{ queue: string }>(statement('overdue', [queues, ms, MAX_SILENCE_MS]));
    return rows.map(({ queue }) => queue);
  }

  /** Returns those jobs, and marks them as announced now. */
  takeOverdue(queues: readonly string[], limit: number, ms: number): Promise<DueJob[]> {
    return this.transaction.query<DueJob>(statement('announce-again', [queues, limit, ms, MAX_SILENCE_MS]));
  }

  /** Marks jobs as not announced, because the publish failed. */
  async markUnannounced(ids: readonly string[]): Promise<void> {
    await this.transaction.query(statement('mark-unannounced', [ids]));
  }
}
