// Reads the first lines of an import: its columns and its delimiter. Pure.
import { UserErrors } from '../users.errors.js';
import { CsvReader, type Delimiter, DELIMITERS } from '../../shared/libs/csv/csv-reader.js';

export const IMPORT_COLUMNS = ['email', 'username', 'name', 'age', 'hobbies'] as const;
export type ImportColumn = (typeof IMPORT_COLUMNS)[number];

/** Columns of an export; ignored, so that an exported file can be imported unchanged. Imports never set a role or an id. */
const PASSED_OVER = ['id', 'role', 'createdAt', 'updatedAt'];

const COLUMNS = new Map<string, ImportColumn | null>([
  ...IMPORT_COLUMNS.map((column) => [column, column] as const),
  ...PASSED_OVER.map((column) => [column.toLowerCase(), null] as const),
]);

export interface ImportHeader {
  delimiter: Delimiter;
  /** Columns in the order of the file; null: an ignored column. */
  columns: ReadonlyArray<ImportColumn | null>;
}

/** Returns the delimiter of a line `sep=;`, which is for Excel; null for any other line. Throws IMPORT_HEADER. */
export function readSeparatorLine(line: string): Delimiter | null {
  const [, declared] = /^"?sep=(.)"?\1*$/iu.exec(line) ?? [];
  if (declared === undefined) return null;
  const delimiter = DELIMITERS.find((one) => one === declared);
  if (!delimiter) throw UserErrors.IMPORT_HEADER('sep= names none of comma, semicolon, tab and |');
  return delimiter;
}

/** `delimiter` null: takes the one that yields the most known columns. Throws IMPORT_HEADER. */
export function readHeader(line: string, delimiter: Delimiter | null): ImportHeader {
  if (line === '') throw UserErrors.IMPORT_HEADER('there is none');
  const ways = (delimiter ? [delimiter] : DELIMITERS).map((one) => ({ delimiter: one, names: namesIn(line, one) }));
  const best = ways.reduce((one, other) => (score(other.names) > score(one.names) ? other : one));
  if (best.names.length === 0) throw UserErrors.IMPORT_HEADER('a quote is missing or in the wrong place');
  expectColumns(best.names);
  return { delimiter: best.delimiter, columns: best.names.map((name) => COLUMNS.get(fold(name)) ?? null) };
}

/** Drops empty names at the end, which spreadsheets write for emptied columns. Returns none when the line is malformed. */
function namesIn(line: string, delimiter: Delimiter): string[] {
  const [record = []] = new CsvReader(delimiter).read(line, true);
  const names = typeof record === 'string' ? [] : record.map((name) => name.trim());
  while (names.length > 1 && names.at(-1) === '') names.pop();
  return names;
}

/** Returns the score of a split: one known name counts more than any number of unknown ones. */
function score(names: readonly string[]): number {
  return names.filter((name) => COLUMNS.has(fold(name))).length + names.length / (names.length + 1);
}

/** Normalizes a column name: `E-Mail`, `e_mail` and `"Email "` are equal. Removes invisible characters. */
function fold(name: string): string {
  return name.toLowerCase().replace(/[\s\p{Pd}\p{Cf}_."']/gu, '');
}

function expectColumns(names: readonly string[]): void {
  const folded = names.map(fold);
  const unknown = folded.findIndex((name) => !COLUMNS.has(name));
  if (unknown !== -1) throw UserErrors.IMPORT_HEADER(`${JSON.stringify(names[unknown]?.slice(0, 50))} is no column`);
  const double = folded.find((name, index) => folded.indexOf(name) !== index);
  if (double !== undefined) throw UserErrors.IMPORT_HEADER(`${double} stands in it twice`);
  if (!folded.includes('email') && !folded.includes('username'))
    throw UserErrors.IMPORT_HEADER('it has neither email nor username');
}
