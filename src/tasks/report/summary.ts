// Computes the figures of a report: totals, and open tasks by due date.
import type { TaskStatus } from '../task.entity.js';
import { type AxisLabel, monthLabel, weekLabel } from './dates.js';
import { isOverdue, type Row } from './report-row.js';

const DAY = 86_400_000;
const WEEK = 7 * DAY;
/** Number of columns of the chart, and the index of the current week or month. */
const COLUMNS = 12;
const CURRENT = 4;

export interface Summary {
  total: number;
  byStatus: Record<TaskStatus, number>;
  overdue: number;
  /** Of open tasks. */
  dueWithin7Days: number;
  /** Of open tasks. */
  withoutDueDate: number;
}

export function summarize(rows: readonly Row[], now: number): Summary {
  const byStatus = { TODO: 0, IN_PROGRESS: 0, DONE: 0 };
  const summary = { total: rows.length, byStatus, overdue: 0, dueWithin7Days: 0, withoutDueDate: 0 };
  for (const row of rows) {
    byStatus[row.status]++;
    if (row.status === 'DONE') continue;
    if (row.dueAt === null) summary.withoutDueDate++;
    else if (isOverdue(row, now)) summary.overdue++;
    else if (row.dueAt < now + 7 * DAY) summary.dueWithin7Days++;
  }
  return summary;
}

/** Open tasks that are due in one week or month. */
export interface DueColumn {
  label: AxisLabel;
  overdue: number;
  upcoming: number;
}

export interface DueChart {
  unit: 'week' | 'month';
  columns: DueColumn[];
}

/**
 * Uses weeks when all due dates fit into twelve of them, otherwise months; in UTC. Dates outside of the twelve columns
 * count in the first or last column, which is then labelled Earlier or Later. Returns undefined when no open task has a
 * due date.
 */
export function chartDueDates(rows: readonly Row[], now: number): DueChart | undefined {
  const due = rows.filter((row) => row.status !== 'DONE' && row.dueAt !== null);
  if (due.length === 0) return undefined;
  const near = due.every((row) => ((week) => week >= 0 && week < COLUMNS)(weekOf(row.dueAt as number, now)));
  const unit = near ? 'week' : 'month';
  const [columnOf, label] = near ? [weekOf, weekLabelAt] : [monthOf, monthLabelAt];
  const columns = Array.from({ length: COLUMNS }, (_, index) => ({
    label: label(index, now),
    overdue: 0,
    upcoming: 0,
  }));
  for (const row of due) {
    const place = columnOf(row.dueAt as number, now);
    const column = columns[Math.min(Math.max(place, 0), COLUMNS - 1)] as DueColumn;
    column[isOverdue(row, now) ? 'overdue' : 'upcoming']++;
    if (place < 0) column.label = { mark: 'Earlier', span: '' };
    if (place >= COLUMNS) column.label = { mark: 'Later', span: '' };
  }
  return { unit, columns };
}

/** Weeks begin on Monday; 1 January 1970 was a Thursday. */
const mondayOf = (time: number): number => Math.floor((time - 4 * DAY) / WEEK) * WEEK + 4 * DAY;

function weekOf(time: number, now: number): number {
  return (mondayOf(time) - mondayOf(now)) / WEEK + CURRENT;
}

function weekLabelAt(column: number, now: number): AxisLabel {
  return weekLabel(mondayOf(now) + (column - CURRENT) * WEEK);
}

function monthOf(time: number, now: number): number {
  const months = (at: Date): number => at.getUTCFullYear() * 12 + at.getUTCMonth();
  return months(new Date(time)) - months(new Date(now)) + CURRENT;
}

function monthLabelAt(column: number, now: number): AxisLabel {
  const at = new Date(now);
  return monthLabel(Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + column - CURRENT));
}
