// A task as the thread keeps it: 200,000 of them must fit, so times are numbers.
import type { TaskStatus } from '../task.entity.js';
import type { ReportTask } from './report-task.js';

/** Times in milliseconds since 1970. */
export interface Row {
  title: string;
  status: TaskStatus;
  priority: number;
  dueAt: number | null;
  createdAt: number;
}

export function toRow({ title, status, priority, dueAt, createdAt }: ReportTask): Row {
  return {
    title,
    status,
    priority,
    dueAt: dueAt === null ? null : Date.parse(dueAt),
    createdAt: Date.parse(createdAt),
  };
}

/** Done is never overdue. */
export function isOverdue({ status, dueAt }: Row, now: number): boolean {
  return status !== 'DONE' && dueAt !== null && dueAt < now;
}
