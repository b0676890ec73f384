// Distributes the tasks over pages: breaks each title into lines before the first page is drawn, to know the number of pages.
import type { Broken } from '../../shared/libs/typesetting/line-break.js';
import { COLUMNS, PAPER, STYLES } from './report-style.js';
import type { Row } from './report-row.js';
import type { Typesetter } from '../../shared/libs/typesetting/typesetter.js';

export const HEAD_HEIGHT = 20;
export const LEADING = 11.5;
const PADDING = 8.5;

export interface TableRow {
  row: Row;
  title: Broken;
  height: number;
}

export interface TablePage {
  /** y of the table's head. */
  top: number;
  rows: TableRow[];
}

/** The first page has the space below `top`, the others the whole page. An empty table has one page without rows. */
export function layOutTable(typesetter: Typesetter, rows: readonly Row[], top: number): TablePage[] {
  let page: TablePage = { top, rows: [] };
  let space = spaceBelow(top);
  const pages = [page];
  for (const row of rows) {
    const title = typesetter.break(row.title, COLUMNS.title.width, 2, STYLES.cell);
    const height = title.lines.length * LEADING + PADDING;
    if (height > space) {
      page = { top: PAPER.top, rows: [] };
      space = spaceBelow(page.top);
      pages.push(page);
    }
    page.rows.push({ row, title, height });
    space -= height;
  }
  return pages;
}

function spaceBelow(top: number): number {
  return PAPER.height - PAPER.bottom - top - HEAD_HEIGHT;
}
