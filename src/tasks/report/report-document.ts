// Draws a report as a PDF: its pages in order, each written to the file as soon as it is drawn.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import PDFDocument from 'pdfkit';
import { drawCharts } from './charts.js';
import { momentLabel } from './dates.js';
import { drawFigures } from './figures.js';
import { COLORS, INNER, PAPER, STYLES } from './report-style.js';
import type { Row } from './report-row.js';
import { chartDueDates, summarize } from './summary.js';
import { layOutTable, type TablePage } from './table-layout.js';
import { drawTable } from './table.js';
import { beginLayout } from '../../shared/libs/typesetting/layout-cache.js';
import { Typesetter } from '../../shared/libs/typesetting/typesetter.js';

export interface Report {
  path: string;
  owner: string;
  now: number;
  rows: readonly Row[];
  onProgress: (percent: number) => void;
}

type Pdf = InstanceType<typeof PDFDocument>;

/** Returns the number of pages and bytes. */
export async function drawReport(report: Report): Promise<{ pages: number; bytes: number }> {
  const pdf = new PDFDocument({
    size: 'A4',
    margin: 0, // all positions are relative to the corner
    autoFirstPage: false,
    font: null as never, // otherwise pdfkit loads Helvetica
    pdfVersion: '1.7',
    lang: 'en',
    displayTitle: true,
    info: { Title: 'Task report', Author: 'Holdfast', CreationDate: new Date(report.now) },
  });
  const file = createWriteStream(report.path);
  const [pages] = await Promise.all([drawPages(pdf, report), pipeline(pdf, file)]);
  return { pages, bytes: file.bytesWritten };
}

async function drawPages(pdf: Pdf, report: Report): Promise<number> {
  beginLayout();
  const typesetter = new Typesetter(pdf);
  pdf.addPage();
  const tableTop = drawFirstPage(pdf, typesetter, report);
  const pages = layOutTable(typesetter, report.rows, tableTop);
  let reported = 0;
  for (const [index, page] of pages.entries()) {
    if (index > 0) pdf.addPage();
    drawTable(pdf, typesetter, page, report.now);
    drawFoot(pdf, typesetter, report, index + 1, pages);
    const percent = Math.floor(((index + 1) / pages.length) * 100);
    if (percent > reported) report.onProgress((reported = percent));
    await nextTurn(); // lets the stream write the page to the file
  }
  pdf.end();
  return pages.length;
}

/** Draws title, figures and charts. Returns the y below them. */
function drawFirstPage(pdf: Pdf, typesetter: Typesetter, { owner, now, rows }: Report): number {
  const { margin: x, top } = PAPER;
  const summary = summarize(rows, now);
  typesetter.write('Task report', { x, y: top + 18, width: INNER }, STYLES.title);
  typesetter.write(owner, { x, y: top + 38, width: INNER, align: 'left' }, STYLES.owner);
  typesetter.write(`Generated ${momentLabel(now)}`, { x, y: top + 53, width: INNER }, STYLES.small);
  pdf.rect(x, top + 64, INNER, 1.5).fill(COLORS.accent);
  const below = drawFigures(pdf, typesetter, summary, top + 82);
  if (rows.length > 0) return drawCharts(pdf, typesetter, summary, chartDueDates(rows, now), below + 24);
  pdf.roundedRect(x, below + 24, INNER, 90, 4).fill(COLORS.shade);
  typesetter.write('There are no tasks.', { x, y: below + 73, width: INNER, align: 'center' }, STYLES.owner);
  return PAPER.height;
}

function drawFoot(pdf: Pdf, typesetter: Typesetter, { owner }: Report, page: number, pages: TablePage[]): void {
  const { margin: x, height } = PAPER;
  const y = height - 28;
  pdf.rect(x, y - 14, INNER, 0.5).fill(COLORS.line);
  typesetter.write(`Page ${page} of ${pages.length}`, { x, y, width: INNER, align: 'right' }, STYLES.small);
  typesetter.write(owner, { x: x + 62, y, width: INNER - 160, align: 'left' }, STYLES.small);
  typesetter.write('Task report', { x, y, width: 60 }, STYLES.small);
}
