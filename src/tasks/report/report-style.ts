// Layout of a report: paper, colours and text styles. Lengths in points, 1/72 of an inch.
import type { TaskStatus } from '../task.entity.js';
import type { Style } from '../../shared/libs/typesetting/typesetter.js';

/** A4. */
export const PAPER = { width: 595.28, height: 841.89, margin: 42, top: 46, bottom: 56 };
export const INNER = PAPER.width - 2 * PAPER.margin;

/** The columns of the table. */
export const COLUMNS = {
  title: { label: 'Title', x: PAPER.margin + 6, width: 238 },
  status: { label: 'Status', x: PAPER.margin + 260, width: 68 },
  priority: { label: 'Priority', x: PAPER.margin + 334, width: 44 },
  due: { label: 'Due', x: PAPER.margin + 388, width: 60 },
  created: { label: 'Created', x: PAPER.margin + 450, width: 60 },
};

export const COLORS = {
  ink: '#1c2733',
  muted: '#66758a',
  line: '#dfe5ec',
  shade: '#f5f7fa',
  accent: '#2b5fa4',
  overdue: '#c4402f',
  upcoming: '#7fa3d1',
};

export const STATUSES: Record<TaskStatus, { label: string; color: string }> = {
  TODO: { label: 'To do', color: '#9aa8b8' },
  IN_PROGRESS: { label: 'In progress', color: '#2b5fa4' },
  DONE: { label: 'Done', color: '#3a9467' },
};

export const STYLES = {
  title: { size: 24, weight: 700, color: COLORS.ink },
  owner: { size: 11, weight: 400, color: COLORS.ink },
  figure: { size: 20, weight: 700, color: COLORS.ink },
  heading: { size: 10.5, weight: 700, color: COLORS.ink },
  small: { size: 8, weight: 400, color: COLORS.muted },
  tick: { size: 7, weight: 400, color: COLORS.muted },
  label: { size: 8.5, weight: 400, color: COLORS.ink },
  cell: { size: 9, weight: 400, color: COLORS.ink },
  columnHead: { size: 8, weight: 700, color: COLORS.muted },
} satisfies Record<string, Style>;

/** `12,345` */
export function countLabel(count: number): string {
  return count.toLocaleString('en-US');
}

/** `38%`; a dash when `whole` is 0. */
export function shareLabel(part: number, whole: number): string {
  return whole === 0 ? '–' : `${Math.round((part / whole) * 100)}%`;
}
