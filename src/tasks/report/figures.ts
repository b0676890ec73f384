// Draws the five figures on a report's first page: a number and what it counts.
import type PDFDocument from 'pdfkit';
import { COLORS, countLabel, INNER, PAPER, shareLabel, STYLES } from './report-style.js';
import type { Summary } from './summary.js';
import type { Typesetter } from '../../shared/libs/typesetting/typesetter.js';

const GAP = 9;
const HEIGHT = 56;

/** Draws the figures. Returns the y below them. */
export function drawFigures(
  pdf: InstanceType<typeof PDFDocument>,
  typesetter: Typesetter,
  { total, byStatus, overdue, dueWithin7Days, withoutDueDate }: Summary,
  y: number,
): number {
  const figures = [
    { value: countLabel(total), label: total === 1 ? 'task' : 'tasks' },
    { value: shareLabel(byStatus.DONE, total), label: 'done' },
    { value: countLabel(overdue), label: 'overdue', color: overdue > 0 ? COLORS.overdue : COLORS.ink },
    { value: countLabel(dueWithin7Days), label: 'due within 7 days' },
    { value: countLabel(withoutDueDate), label: 'without due date' },
  ];
  const width = (INNER - GAP * (figures.length - 1)) / figures.length;
  figures.forEach(({ value, label, color = COLORS.ink }, index) => {
    const x = PAPER.margin + index * (width + GAP);
    pdf.roundedRect(x, y, width, HEIGHT, 4).fill(COLORS.shade);
    const text = { x: x + 10, width: width - 14 };
    typesetter.write(value, { ...text, y: y + 28 }, { ...STYLES.figure, color });
    typesetter.write(label, { ...text, y: y + 44 }, STYLES.small);
  });
  return y + HEIGHT;
}
