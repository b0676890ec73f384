// What stands in the cells of our CSV files: nothing that a spreadsheet would run, and all of it comes back. Pure.
import { stringify } from 'csv-stringify/sync';

/**
 * A spreadsheet takes a cell that begins so for a formula (OWASP, "CSV Injection"), also in full-width letters. With
 * apostrophes before it too: or one that was there already would be taken for ours when it is read.
 */
const FORMULA = /^'*[=+\-@\t\r\n＝＋－＠]/;

/** Lines by RFC 4180. With `record_delimiter` alone a single CR or LF in a cell would stand there unquoted. */
export function toCsv(rows: ReadonlyArray<ReadonlyArray<string | number | null>>): string {
  return stringify(rows as unknown[][], { record_delimiter: '\r\n', quote_record_delimiter: true });
}

/** With an apostrophe before what a spreadsheet would run. */
export function guardCell(text: string): string {
  return FORMULA.test(text) ? `'${text}` : text;
}

/** Takes the apostrophe of `guardCell` away, and no other. */
export function unguardCell(cell: string): string {
  return cell.startsWith("'") && FORMULA.test(cell) ? cell.slice(1) : cell;
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
