// Reads the tasks of a report: plain rows, because 10,000 entities would block the event loop.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import type { Task } from '../task.entity.js';
import type { ReportTask } from './report-task.js';

const PAGE = 500;

export interface ReportMeasure {
  tasks: number;
  titleBytes: number;
  extraBytes: number;
}

interface ReportRow extends Pick<Task, 'id' | 'title' | 'status' | 'priority'> {
  due_at: Date | null;
  created_at: Date;
}

function toReportTask({ title, status, priority, due_at: due, created_at: created }: ReportRow): ReportTask {
  return { title, status, priority, dueAt: due?.toISOString() ?? null, createdAt: created.toISOString() };
}

@Injectable()
export class ReportsRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Counts up to `limit` tasks of a report, the bytes of their titles, and the extra bytes: those beyond one per character. */
  async measure(ownerKey: string, limit: number): Promise<ReportMeasure> {
    const [row] = await this.transaction.query<{ tasks: string; bytes: string; letters: string }>({
      name: 'tasks-measure-report',
      text: `SELECT count(*) AS tasks, coalesce(sum(octet_length(title)), 0) AS bytes, coalesce(sum(char_length(title)), 0) AS letters
        FROM (SELECT title FROM tasks WHERE owner_id = $1 AND deleted_at IS NULL LIMIT $2) AS listed`,
      values: [ownerKey, limit],
    });
    const titleBytes = Number(row?.bytes);
    return { tasks: Number(row?.tasks), titleBytes, extraBytes: titleBytes - Number(row?.letters) };
  }

  /** Yields all tasks of the owner that are not deleted, oldest first. */
  async *pages(ownerKey: string): AsyncGenerator<ReportTask[]> {
    let last: { at: Date | string; id: string } = { at: '-infinity', id: '0' };
    for (;;) {
      const rows = await this.transaction.query<ReportRow>({
        name: 'tasks-for-report',
        text: `SELECT id, title, status, priority, due_at, created_at FROM tasks
          WHERE owner_id = $1 AND deleted_at IS NULL AND (created_at, id) > ($2, $3) ORDER BY created_at, id LIMIT $4`,
        values: [ownerKey, last.at, last.id, PAGE],
      });
      const end = rows.at(-1);
      if (!end) return;
      yield rows.map(toReportTask);
      last = { at: end.created_at, id: end.id };
    }
  }

  /** Reads the users table in SQL, so that the module of tasks does not depend on the module of users. */
  async findOwnerName(ownerKey: string): Promise<string | null> {
    const [row] = await this.transaction.query<{ name: string | null }>({
      name: 'tasks-owner-name',
      text: 'SELECT coalesce(name, username, email) AS name FROM users WHERE id = $1',
      values: [ownerKey],
    });
    return row?.name ?? null;
  }
}
