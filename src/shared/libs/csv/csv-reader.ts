// Reads CSV (RFC 4180) as it comes, and goes on after a record that cannot be read. Pure.

export const DELIMITERS = [',', ';', '\t', '|'] as const;
export type Delimiter = (typeof DELIMITERS)[number];

/** A record's fields, or why it has none. */
export type CsvRecord = string[] | CsvFault;
export type CsvFault = 'MALFORMED' | 'RECORD_TOO_LONG';

/** UTF-16 units of one record. */
export const LONGEST_RECORD = 65_536;

interface Scanned {
  record: CsvRecord;
  /** Where the next one begins. */
  end: number;
}

/**
 * Not csv-parse: after a quote in the wrong place it takes the rows that follow for a part of the broken one, up to the
 * next quote that fits, and after a record that is too long it drops the rest of the piece without a word. Here a bad
 * record ends with its first line, and all others stay. Lines end with CRLF, LF or CR; empty ones are passed over.
 * Blanks between a delimiter and a quote are passed over too: many people write `a, "b"`.
 */
export class CsvReader {
  private readonly unquoted: RegExp;
  /** What is not a whole record yet. */
  private rest = '';
  /** Within a line that is too long to keep. */
  private isSkipping = false;

  constructor(private readonly delimiter: Delimiter) {
    this.unquoted = new RegExp(`[^"\\r\\n${delimiter}]*`, 'y');
  }

  /** The records that end in this piece. */
  *read(piece: string, isEnd: boolean): Generator<CsvRecord> {
    const text = this.rest + piece;
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
    if (length > LONGEST_RECORD) return { record: 'RECORD_TOO_LONG', end: this.skip(text, at) };
    if (found?.record !== 'MALFORMED') return found;
    const end = endOfLine(text, at);
    return end !== -1 || isEnd ? { record: 'MALFORMED', end: end === -1 ? text.length : end } : null;
  }

  /** Null: more of it is to come. The end of a malformed one is where that shows. */
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

  /** Behind the line, or to the end of what there is and on in the next piece. */
  private skip(text: string, at: number): number {
    const end = endOfLine(text, at);
    this.isSkipping = end === -1;
    return end === -1 ? text.length : end;
  }
}

/** Not tabs: one may be the delimiter. */
function skipBlanks(text: string, start: number): number {
  let at = start;
  while (text[at] === ' ') at++;
  return at;
}

/** -1: none yet. Two quotes are one in the text. */
function closingQuote(text: string, open: number): number {
  for (let at = open + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at === -1 || text[at + 1] !== '"') return at;
  }
}

/** Behind the first line break; -1: none. Of CRLF the LF may be left, as an empty line. */
function endOfLine(text: string, start: number): number {
  const pattern = /[\r\n]/g;
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : -1;
}

function isEmptyLine(record: CsvRecord): boolean {
  return typeof record !== 'string' && record.length === 1 && record[0] === '';
}
