// The file of an import: UTF-8, a header, numbered records. What makes the whole file unusable is thrown. Pure.
import { UserErrors } from '../users.errors.js';
import { type CsvRecord, CsvReader, LONGEST_RECORD } from './csv-reader.js';

export const IMPORT_COLUMNS = ['email', 'username', 'name', 'age', 'hobbies'] as const;
export type ImportColumn = (typeof IMPORT_COLUMNS)[number];

/** Of an export; they are passed over, so that its file may be imported as it is. Nobody gets a role or an id by import. */
const PASSED_OVER = ['id', 'role', 'createdAt', 'updatedAt'];

const COLUMNS = new Map<string, ImportColumn | null>([
  ...IMPORT_COLUMNS.map((column) => [column, column] as const),
  ...PASSED_OVER.map((column) => [column.toLowerCase(), null] as const),
]);

/** What an import may have, without the header. */
export const MOST_ROWS = 100_000;

/** `row`: counted from 1, without the header and without empty lines. */
export interface NumberedRecord {
  row: number;
  record: CsvRecord;
}

export class ImportFile {
  /** Of the file, in its order; null: passed over. */
  columns: ReadonlyArray<ImportColumn | null> = [];
  private rows = 0;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private reader: CsvReader | undefined;
  /** What comes before the reader is known. */
  private head = '';

  /** The records that end in this piece; null: there is no more. Throws IMPORT_NOT_UTF8, IMPORT_HEADER, IMPORT_TOO_LONG. */
  *read(piece: Uint8Array | null): Generator<NumberedRecord> {
    const isEnd = piece === null;
    const text = this.reader ? this.decode(piece) : this.readHeader(this.decode(piece), isEnd);
    for (const record of this.reader?.read(text, isEnd) ?? []) {
      if (++this.rows > MOST_ROWS) throw UserErrors.IMPORT_TOO_LONG(MOST_ROWS);
      yield { row: this.rows, record };
    }
  }

  private decode(piece: Uint8Array | null): string {
    try {
      return piece ? this.decoder.decode(piece, { stream: true }) : this.decoder.decode();
    } catch {
      throw UserErrors.IMPORT_NOT_UTF8();
    }
  }

  /** Gives what comes after the header; nothing before it has come whole. */
  private readHeader(text: string, isEnd: boolean): string {
    this.head = (this.head + text).replace(/^[\r\n]+/, '');
    const line = /^[^\r\n]*(?=[\r\n])/.exec(this.head)?.[0] ?? (isEnd ? this.head : null);
    if ((line ?? this.head).length > LONGEST_RECORD) throw UserErrors.IMPORT_HEADER('its first line is none');
    if (line === null) return '';
    const rest = this.head.slice(line.length);
    this.head = '';
    this.useHeader(line);
    return rest;
  }

  /** The delimiter is the one that makes more names of it. */
  private useHeader(line: string): void {
    const read = (delimiter: ',' | ';'): { delimiter: ',' | ';'; names: string[] } => {
      const [names = []] = new CsvReader(delimiter).read(line, true);
      return { delimiter, names: typeof names === 'string' ? [] : names.map((name) => name.trim().toLowerCase()) };
    };
    const [comma, semicolon] = [read(','), read(';')];
    const { delimiter, names } = semicolon.names.length > comma.names.length ? semicolon : comma;
    if (line !== '' && names.length === 0) throw UserErrors.IMPORT_HEADER('a quote is missing or in the wrong place');
    expectHeader(names);
    this.columns = names.map((name) => COLUMNS.get(name) ?? null);
    this.reader = new CsvReader(delimiter);
  }
}

function expectHeader(names: readonly string[]): void {
  if (names.length === 0) throw UserErrors.IMPORT_HEADER('there is none');
  const unknown = names.find((name) => !COLUMNS.has(name));
  if (unknown !== undefined) throw UserErrors.IMPORT_HEADER(`${JSON.stringify(unknown.slice(0, 50))} is no column`);
  const double = names.find((name, index) => names.indexOf(name) !== index);
  if (double !== undefined) throw UserErrors.IMPORT_HEADER(`${double} stands in it twice`);
  if (!names.includes('email') && !names.includes('username'))
    throw UserErrors.IMPORT_HEADER('it has neither email nor username');
}
