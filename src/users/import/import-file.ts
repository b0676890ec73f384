// The file of an import: text, a header, numbered records. What makes the whole file unusable is thrown. Pure.
import { UserErrors } from '../users.errors.js';
import { CsvDecoder, type CsvEncoding } from '../../shared/libs/csv/csv-decoder.js';
import { CsvReader, type CsvRecord, type Delimiter, LONGEST_RECORD } from '../../shared/libs/csv/csv-reader.js';
import { type ImportColumn, readHeader, readSeparatorLine } from './import-header.js';

/** What an import may have, without the header. */
export const MOST_ROWS = 100_000;

/** Lines of nothing but separators: spreadsheets write them for rows that were emptied. */
const BLANK_LINES = /^(?:[,;|\t "]*[\r\n])+/;
/** Ctrl-Z: DOS programs end a text with it. */
const END_OF_FILE = '\x1a';

/** `row`: counted from 1, without the header and without blank rows. */
export interface NumberedRecord {
  row: number;
  record: CsvRecord;
}

export class ImportFile {
  /** Of the file, in its order; null: passed over. */
  columns: ReadonlyArray<ImportColumn | null> = [];
  private rows = 0;
  private readonly decoder: CsvDecoder;
  private reader: CsvReader | undefined;
  /** What comes before the reader is known. */
  private head = '';
  /** As a line `sep=` above the header says. */
  private delimiter: Delimiter | null = null;

  /** `encoding`: of a file without a byte order mark. */
  constructor(encoding?: CsvEncoding) {
    this.decoder = new CsvDecoder(encoding);
  }

  /**
   * The records that end in this piece; null: there is no more. Throws IMPORT_NOT_UTF8, IMPORT_ENCODING, IMPORT_HEADER,
   * IMPORT_TOO_LONG.
   */
  *read(piece: Uint8Array | null): Generator<NumberedRecord> {
    const isEnd = piece === null;
    const text = this.reader ? this.decode(piece) : this.findHeader(this.decode(piece), isEnd);
    for (const record of this.reader?.read(text, isEnd) ?? []) {
      if (isEnd) dropEndOfFile(record);
      if (isBlank(record)) continue;
      if (++this.rows > MOST_ROWS) throw UserErrors.IMPORT_TOO_LONG(MOST_ROWS);
      yield { row: this.rows, record };
    }
  }

  private decode(piece: Uint8Array | null): string {
    try {
      return this.decoder.decode(piece);
    } catch {
      const { encoding } = this.decoder;
      throw encoding === 'utf-8' ? UserErrors.IMPORT_NOT_UTF8() : UserErrors.IMPORT_ENCODING(encoding);
    }
  }

  /** Returns what comes after the header; nothing while the header has not come whole. */
  private findHeader(text: string, isEnd: boolean): string {
    this.head += text;
    for (;;) {
      const line = this.takeLine(isEnd);
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

  /** The first line that is not blank, taken from the head; null: it has not come whole. */
  private takeLine(isEnd: boolean): string | null {
    this.head = this.head.replace(BLANK_LINES, '');
    const end = this.head.search(/[\r\n]/);
    const line = end === -1 ? this.head : this.head.slice(0, end);
    if (line.length > LONGEST_RECORD) throw UserErrors.IMPORT_HEADER('its first line is none');
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
