// Draws the two charts of a report: tasks by status, and open tasks by due date.
import type PDFDocument from 'pdfkit';
import type { TaskStatus } from '../task.entity.js';
import { COLORS, countLabel, INNER, PAPER, shareLabel, STATUSES, STYLES } from './report-style.js';
import type { DueChart, Summary } from './summary.js';
import type { Typesetter } from '../../shared/libs/typesetting/typesetter.js';

type Pdf = InstanceType<typeof PDFDocument>;

const GAP = 30;
const LEFT = 190;
const HEIGHT = 118;

/** Draws both charts. Returns the y below them. */
export function drawCharts(
  pdf: Pdf,
  typesetter: Typesetter,
  summary: Summary,
  due: DueChart | undefined,
  y: number,
): number {
  const { margin: x } = PAPER;
  typesetter.write('By status', { x, y: y + 8, width: LEFT }, STYLES.heading);
  drawStatuses(pdf, typesetter, summary, { x, y: y + 24, width: LEFT });
  const right = { x: x + LEFT + GAP, width: INNER - LEFT - GAP };
  const title = due ? `Open tasks by ${due.unit} due` : 'Open tasks by date due';
  typesetter.write(title, { ...right, y: y + 8 }, STYLES.heading);
  if (due) drawDueDates(pdf, typesetter, due, { ...right, y: y + 24 });
  else typesetter.write('No open task has a due date.', { ...right, y: y + 38 }, STYLES.small);
  return y + 24 + HEIGHT + 16;
}

interface Area {
  x: number;
  y: number;
  width: number;
}

/** Draws horizontal bars, each with its name above and its count at the end. */
function drawStatuses(pdf: Pdf, typesetter: Typesetter, { total, byStatus }: Summary, { x, y, width }: Area): void {
  Object.entries(STATUSES).forEach(([status, { label, color }], index) => {
    const top = y + index * 34;
    const count = byStatus[status as TaskStatus];
    typesetter.write(label, { x, y: top + 10, width }, STYLES.label);
    const figure = `${countLabel(count)}  ·  ${shareLabel(count, total)}`;
    typesetter.write(figure, { x, y: top + 10, width, align: 'right' }, STYLES.label);
    pdf.rect(x, top + 16, width, 8).fill(COLORS.shade);
    if (count > 0) pdf.rect(x, top + 16, Math.max((width * count) / total, 1), 8).fill(color);
  });
}

/** Draws columns; overdue tasks are at their bottom. */
function drawDueDates(pdf: Pdf, typesetter: Typesetter, { columns }: DueChart, { x, y, width }: Area): void {
  const base = y + HEIGHT - 24;
  const highest = Math.max(...columns.map(({ overdue, upcoming }) => overdue + upcoming));
  const scale = (base - y - 14) / highest;
  const step = width / columns.length;
  columns.forEach(({ label, overdue, upcoming }, index) => {
    const column = { x: x + index * step + 3, width: step - 6 };
    const bars = [
      { count: overdue, color: COLORS.overdue },
      { count: upcoming, color: COLORS.upcoming },
    ];
    let top = base;
    for (const { count, color } of bars) {
      const height = count === 0 ? 0 : Math.max(count * scale, 1);
      if (count > 0) pdf.rect(column.x, top - height, column.width, height).fill(color);
      top -= height;
    }
    const box = { x: column.x - 3, width: step };
    const count = countLabel(overdue + upcoming);
    if (overdue + upcoming > 0) typesetter.write(count, { ...box, y: top - 4, align: 'center' }, STYLES.tick);
    typesetter.write(label.mark, { ...box, y: base + 10, align: 'center' }, STYLES.tick);
    if (label.span !== columns[index - 1]?.label.span)
      typesetter.write(label.span, { ...box, y: base + 19, align: 'center' }, STYLES.tick);
  });
  pdf.rect(x, base, width, 0.75).fill(COLORS.muted);
  drawLegend(pdf, typesetter, x + width - 110, y - 16);
}

function drawLegend(pdf: Pdf, typesetter: Typesetter, x: number, y: number): void {
  const entries = [
    { label: 'overdue', color: COLORS.overdue },
    { label: 'to come', color: COLORS.upcoming },
  ];
  entries.forEach(({ label, color }, index) => {
    const at = x + index * 60;
    pdf.rect(at, y - 6, 6, 6).fill(color);
    typesetter.write(label, { x: at + 10, y, width: 45 }, STYLES.small);
  });
}
