// Reads an import file into numbered records: decodes the text, finds the header, throws when the file is unusable. Pure.
import { UserErrors } from '../users.errors.js';
import { CsvDecoder, type CsvEncoding } from '../../shared/libs/csv/csv-decoder.js';
import { CsvReader, type CsvRecord, type Delimiter, MAX_RECORD } from '../../shared/libs/csv/csv-reader.js';
import { type ImportColumn, readHeader, readSeparatorLine } from './import-header.js';

/** Maximum number of rows of an import, without the header. */
export const MAX_ROWS = 100_000;

/** Lines of only separators: spreadsheets write them for emptied rows. */
const BLANK_LINES = /^(?:[,;|\t "]*[\r\n])+/;
/** Ctrl-Z, with which DOS programs end a text. */
const END_OF_FILE = '\x1a';

/** `row`: number of the row from 1, without the header and blank rows. */
export interface NumberedRecord {
  row: number;
  record: CsvRecord;
}

export class ImportFile {
  /** Columns in the order of the file; null: an ignored column. */
  columns: ReadonlyArray<ImportColumn | null> = [];
  private rows = 0;
  private readonly decoder: CsvDecoder;
  private reader: CsvReader | undefined;
  /** Text before the delimiter is known. */
  private head = '';
  /** Delimiter from a line `sep=` above the header. */
  private delimiter: Delimiter | null = null;

  /** `encoding`: of a file without byte order mark. */
  constructor(encoding?: CsvEncoding) {
    this.decoder = new CsvDecoder(encoding);
  }

  /**
   * Yields the records that end in this chunk; null marks the end of the file. Throws IMPORT_NOT_UTF8, IMPORT_ENCODING,
   * IMPORT_HEADER, IMPORT_TOO_LONG.
   */
  *read(chunk: Uint8Array | null): Generator<NumberedRecord> {
    const isEnd = chunk === null;
    const text = this.reader ? this.decode(chunk) : this.findHeader(this.decode(chunk), isEnd);
    for (const record of this.reader?.read(text, isEnd) ?? []) {
      if (isEnd) dropEndOfFile(record);
      if (isBlank(record)) continue;
      if (++this.rows > MAX_ROWS) throw UserErrors.IMPORT_TOO_LONG(MAX_ROWS);
      yield { row: this.rows, record };
    }
  }

  private decode(chunk: Uint8Array | null): string {
    try {
      return this.decoder.decode(chunk);
    } catch {
      const { encoding } = this.decoder;
      throw encoding === 'utf-8' ? UserErrors.IMPORT_NOT_UTF8() : UserErrors.IMPORT_ENCODING(encoding);
    }
  }

  /** Returns the text after the header; '' while the header is incomplete. */
  private findHeader(text: string, isEnd: boolean): string {
    this.head += text;
    for (;;) {
      const line = this.readLine(isEnd);
      if (line === null) return '';
      const delimiter = this.delimiter ? null : readSeparatorLine(line);
      if (delimiter) {
        this.delimiter = delimiter;
        continue;
      }
      const header = readHeader(line, this.delimiter);
      this.columns = header.columns;
      this.reader = new CsvReader(header.delimiter);
      return this.head;
    }
  }

  /** Removes the first line that is not blank from the head and returns it; null while it is incomplete. */
  private readLine(isEnd: boolean): string | null {
    this.head = this.head.replace(BLANK_LINES, '');
    const end = this.head.search(/[\r\n]/);
    const line = end === -1 ? this.head : this.head.slice(0, end);
    if (line.length > MAX_RECORD) throw UserErrors.IMPORT_HEADER('its first line is none');
    if (end === -1 && !isEnd) return null;
    this.head = this.head.slice(line.length);
    return line;
  }
}

function dropEndOfFile(record: CsvRecord): void {
  if (typeof record === 'string') return;
  const last = record.at(-1) ?? '';
  if (last.endsWith(END_OF_FILE)) record[record.length - 1] = last.slice(0, last.indexOf(END_OF_FILE));
}

function isBlank(record: CsvRecord): boolean {
  return typeof record !== 'string' && record.every((cell) => cell.replaceAll(END_OF_FILE, '').trim() === '');
}
