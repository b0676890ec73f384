// Draws one page of a report's table: its head, and one row per task.
import type PDFDocument from 'pdfkit';
import { dayLabel } from './dates.js';
import { COLORS, COLUMNS, INNER, PAPER, STATUSES, STYLES } from './report-style.js';
import { isOverdue } from './report-row.js';
import { HEAD_HEIGHT, LEADING, type TablePage, type TableRow } from './table-layout.js';
import type { Typesetter } from '../../shared/libs/typesetting/typesetter.js';

type Pdf = InstanceType<typeof PDFDocument>;

export function drawTable(pdf: Pdf, typesetter: Typesetter, { top, rows }: TablePage, now: number): void {
  if (rows.length === 0) return;
  for (const { label, ...place } of Object.values(COLUMNS))
    typesetter.write(label, { ...place, y: top + 12 }, STYLES.columnHead);
  pdf.rect(PAPER.margin, top + HEAD_HEIGHT - 1, INNER, 1).fill(COLORS.muted);
  let y = top + HEAD_HEIGHT;
  rows.forEach((row, index) => {
    if (index % 2 === 1) pdf.rect(PAPER.margin, y, INNER, row.height).fill(COLORS.shade);
    drawRow(pdf, typesetter, row, y, now);
    y += row.height;
  });
}

function drawRow(pdf: Pdf, typesetter: Typesetter, { row, title }: TableRow, top: number, now: number): void {
  const y = top + 13;
  const { label, color } = STATUSES[row.status];
  typesetter.writeLines(title, { ...COLUMNS.title, y }, LEADING, STYLES.cell);
  pdf.circle(COLUMNS.status.x + 3, y - 3.2, 2.6).fill(color);
  typesetter.write(label, { x: COLUMNS.status.x + 10, width: COLUMNS.status.width - 10, y }, STYLES.cell);
  drawPriority(pdf, typesetter, row.priority, y);
  const due = isOverdue(row, now) ? { ...STYLES.cell, color: COLORS.overdue } : STYLES.cell;
  typesetter.write(row.dueAt === null ? '–' : dayLabel(row.dueAt), { ...COLUMNS.due, y }, due);
  typesetter.write(dayLabel(row.createdAt), { ...COLUMNS.created, y }, { ...STYLES.cell, color: COLORS.muted });
}

/** Draws the number, and as many coloured bars of five. */
function drawPriority(pdf: Pdf, typesetter: Typesetter, priority: number, y: number): void {
  const { x, width } = COLUMNS.priority;
  typesetter.write(String(priority), { x, y, width }, STYLES.cell);
  for (let step = 1; step <= 5; step++) {
    const height = 1.5 + step * 1.1;
    pdf.rect(x + 7 + step * 4, y - height, 2.6, height).fill(step <= priority ? COLORS.accent : COLORS.line);
  }
}
