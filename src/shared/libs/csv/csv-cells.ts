// What stands in the cells of our CSV files: nothing that a spreadsheet would run, and all of it comes back. Pure.
import { stringify } from 'csv-stringify/sync';

/**
 * A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection"), also in full-width letters; with
 * quotes before it too, which are taken away; with apostrophes before it too, or one that was there already would be
 * taken for ours when it is read.
 */
const FORMULA = `['"]*[=+\\-@\\t\\r\\n＝＋－＠]`;
/**
 * Where a cell begins: where lists are separated by semicolons, a spreadsheet splits our lines at them, and at the line
 * breaks behind them, whatever quotes stand around.
 */
const CELL_START = '(?<=^|[;\\r\\n])';

const UNGUARDED = new RegExp(`${CELL_START}(?=${FORMULA})`, 'g');
const GUARDED = new RegExp(`${CELL_START}'(?=${FORMULA})`, 'g');

/** Lines by RFC 4180. With `record_delimiter` alone a single CR or LF in a cell would stand there unquoted. */
export function toCsv(rows: ReadonlyArray<ReadonlyArray<string | number | null>>): string {
  return stringify(rows as unknown[][], { record_delimiter: '\r\n', quote_record_delimiter: true });
}

/** With an apostrophe before everything that a spreadsheet would run. */
export function guardCell(text: string): string {
  return text.replace(UNGUARDED, "'");
}

/** Takes the apostrophes of `guardCell` away, and no others. */
export function unguardCell(cell: string): string {
  return cell.replace(GUARDED, '');
}

/** With `;` between them; one within a hobby has a backslash before it, and so has a backslash. */
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
