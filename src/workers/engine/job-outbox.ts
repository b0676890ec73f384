// What the broker is to be told of: the statements on the jobs' `announce_at`.
import { sqlFiles } from '../../shared/database/sql-file.js';
import type { Transaction } from '../../shared/database/transaction.js';

/** A job that waits, and is due. */
export interface DueJob {
  id: string;
  uuid: string;
  queue: string;
}

/** Who was told of is told of again after so long, whatever is known of its wake-up. */
const IN_ANY_CASE_MS = 86_400_000;

const statement = sqlFiles(import.meta.url, 'jobs');

export class JobOutbox {
  constructor(private readonly transaction: Transaction) {}

  /** Not told of yet. From now on they count as told of. */
  take(queues: readonly string[], most: number): Promise<DueJob[]> {
    return this.transaction.query<DueJob>(statement('announce', [queues, most, IN_ANY_CASE_MS]));
  }

  /** Queues with jobs that still wait `ms` after they were told of. */
  async findOverdue(queues: readonly string[], ms: number): Promise<string[]> {
    const rows = await this.transaction.read<{ queue: string }>(statement('overdue', [queues, ms, IN_ANY_CASE_MS]));
    return rows.map(({ queue }) => queue);
  }

  /** Those jobs themselves; told of just now. */
  takeOverdue(queues: readonly string[], most: number, ms: number): Promise<DueJob[]> {
    return this.transaction.query<DueJob>(statement('announce-again', [queues, most, ms, IN_ANY_CASE_MS]));
  }

  /** The telling failed. */
  async putBack(ids: readonly string[]): Promise<void> {
    await this.transaction.query(statement('untold', [ids]));
  }
}
