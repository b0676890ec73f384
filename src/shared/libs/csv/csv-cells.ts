// Writes and reads CSV cells: no cell can run as a spreadsheet formula, and every value survives the round trip. Pure.
import { stringify } from 'csv-stringify/sync';

/**
 * The beginnings that a spreadsheet treats as a formula (OWASP, "CSV Injection"), full-width characters included. The
 * pattern also covers quotes before them, because the spreadsheet strips those, and apostrophes before them: otherwise the
 * reader would take an apostrophe of the original text for our guard.
 */
const FORMULA = `['"]*[=+\\-@\\t\\r\\n＝＋－＠]`;
/**
 * The beginning of a cell. A spreadsheet whose list separator is the semicolon splits our lines at semicolons and at the
 * line breaks after them, even inside quotes.
 */
const CELL_START = '(?<=^|[;\\r\\n])';

const UNGUARDED = new RegExp(`${CELL_START}(?=${FORMULA})`, 'g');
const GUARDED = new RegExp(`${CELL_START}'(?=${FORMULA})`, 'g');

/** Formats rows as RFC 4180 lines. With `record_delimiter` alone, a single CR or LF in a cell would stay unquoted. */
export function toCsv(rows: ReadonlyArray<ReadonlyArray<string | number | null>>): string {
  return stringify(rows as unknown[][], { record_delimiter: '\r\n', quote_record_delimiter: true });
}

/** Puts an apostrophe before every text that a spreadsheet would run as a formula. */
export function guardCell(text: string): string {
  return text.replace(UNGUARDED, "'");
}

/** Removes the apostrophes that `guardCell` added, and no others. */
export function unguardCell(cell: string): string {
  return cell.replace(GUARDED, '');
}

/** Joins hobbies with `;`. A backslash escapes each `;` and each backslash inside a hobby. */
export function joinHobbies(hobbies: readonly string[]): string {
  return hobbies.map((hobby) => guardCell(hobby).replace(/[\\;]/g, '\\$&')).join(';');
}

export function splitHobbies(cell: string): string[] {
  if (cell.trim() === '') return [];
  const parts = cell.includes('\\') ? splitEscaped(cell) : cell.split(';');
  return parts.map(unguardCell);
}

function splitEscaped(cell: string): string[] {
  const parts = [''];
  for (const [token] of cell.matchAll(/\\[\\;]|;|[^\\;]+|\\/g)) {
    if (token === ';') parts.push('');
    else parts.push((parts.pop() ?? '') + (token === '\\;' || token === '\\\\' ? token.slice(1) : token));
  }
  return parts;
}
