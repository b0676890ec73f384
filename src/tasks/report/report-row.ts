// A task in the drawing thread's memory: times are numbers, because up to 200,000 tasks must fit.
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

/** True for tasks that are not done and were due before `now`. */
export function isOverdue({ status, dueAt }: Row, now: number): boolean {
  return status !== 'DONE' && dueAt !== null && dueAt < now;
}
