// Reads CSV (RFC 4180) as a stream and continues after a malformed record. Pure.

export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

/** The fields of a record, or the reason why it could not be read. */
export type CsvRecord = string[] | CsvFault;
export type CsvFault = 'MALFORMED' | 'RECORD_TOO_LONG';

/** Maximum length of one record, in UTF-16 code units. */
export const MAX_RECORD = 65_536;

interface Scanned {
  record: CsvRecord;
  /** The index where the next record begins. */
  end: number;
}

/**
 * Replaces csv-parse. After a misplaced quote, csv-parse merges the following rows into the broken one, up to the next
 * matching quote; after a record that is too long it silently drops the rest of the chunk. Here a bad record ends with its
 * first line, and all other records stay. Lines end with CRLF, LF or CR. The reader skips empty lines, and also blanks
 * between a delimiter and a quote: many people write `a, "b"`.
 */
export class CsvReader {
  private readonly unquoted: RegExp;
  /** The input that does not form a whole record yet. */
  private rest = '';
  /** True while the reader skips the rest of a line that is too long to keep. */
  private isSkipping = false;

  constructor(private readonly delimiter: Delimiter) {
    this.unquoted = new RegExp(`[^"\\r\\n${delimiter}]*`, 'y');
  }

  /** Yields the records that end in this chunk. */
  *read(chunk: string, isEnd: boolean): Generator<CsvRecord> {
    const text = this.rest + chunk;
    let at = this.isSkipping ? this.skip(text, 0) : 0;
    for (;;) {
      const next = at < text.length ? this.next(text, at, isEnd) : null;
      if (!next) break;
      at = next.end;
      if (!isEmptyLine(next.record)) yield next.record;
    }
    this.rest = text.slice(at);
  }

  private next(text: string, at: number, isEnd: boolean): Scanned | null {
    const found = this.scan(text, at, isEnd);
    const length = (found?.end ?? text.length) - at;
    if (length > MAX_RECORD) return { record: 'RECORD_TOO_LONG', end: this.skip(text, at) };
    if (found?.record !== 'MALFORMED') return found;
    const end = endOfLine(text, at);
    return end !== -1 || isEnd ? { record: 'MALFORMED', end: end === -1 ? text.length : end } : null;
  }

  /** Reads one record. Returns null when it needs more input. A malformed record ends at the point where the error shows. */
  private scan(text: string, start: number, isEnd: boolean): Scanned | null {
    const fields: string[] = [];
    for (let at = start; ; at++) {
      const open = skipBlanks(text, at);
      if (text[open] === '"') {
        const close = closingQuote(text, open);
        if (!isEnd && (close === -1 || close === text.length - 1)) return null;
        if (close === -1) return { record: 'MALFORMED', end: text.length };
        fields.push(text.slice(open + 1, close).replaceAll('""', '"'));
        at = skipBlanks(text, close + 1);
      } else {
        this.unquoted.lastIndex = at;
        this.unquoted.test(text);
        fields.push(text.slice(at, this.unquoted.lastIndex));
        at = this.unquoted.lastIndex;
      }
      if (text[at] === this.delimiter) continue;
      if (at === text.length) return isEnd ? { record: fields, end: at } : null;
      if (text[at] === '\n') return { record: fields, end: at + 1 };
      if (text[at] !== '\r') return { record: 'MALFORMED', end: at };
      if (at + 1 === text.length && !isEnd) return null;
      return { record: fields, end: text[at + 1] === '\n' ? at + 2 : at + 1 };
    }
  }

  /** Returns the index after the line. Without a line break it skips all of the text and continues in the next chunk. */
  private skip(text: string, at: number): number {
    const end = endOfLine(text, at);
    this.isSkipping = end === -1;
    return end === -1 ? text.length : end;
  }
}

/** Skips spaces, but not tabs: a tab may be the delimiter. */
function skipBlanks(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ') at++;
  return at;
}

/** Returns the index of the closing quote, or -1 when there is none yet. Two quotes stand for one quote in the text. */
function closingQuote(text: string, open: number): number {
  for (let at = open + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at === -1 || text[at + 1] !== '"') return at;
  }
}

/** Returns the index after the first line break, or -1. The LF of a CRLF may remain; it then reads as an empty line. */
function endOfLine(text: string, start: number): number {
  const pattern = /[\r\n]/g;
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

function isEmptyLine(record: CsvRecord): boolean {
  return typeof record !== 'string' && record.length === 1 && record[0] === '';
}
