// CSV reading and writing: the cost of broken records, chunk boundaries, and protection against formula injection.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { guardCell, joinHobbies, splitHobbies, toCsv, unguardCell } from '../../src/shared/libs/csv/csv-cells.js';
import { type CsvRecord, CsvReader, type Delimiter, MAX_RECORD } from '../../src/shared/libs/csv/csv-reader.js';
import { below, pick, type Random, seeded } from '../support/fuzz/random.js';

/** Splits the text into chunks of `size` characters. */
function read(text: string, size = text.length || 1, delimiter: Delimiter = ','): CsvRecord[] {
  const reader = new CsvReader(delimiter);
  const records: CsvRecord[] = [];
  for (let at = 0; at < text.length; at += size) records.push(...reader.read(text.slice(at, at + size), false));
  return [...records, ...reader.read('', true)];
}

const textOf = (random: Random, alphabet: string, max: number): string =>
  Array.from({ length: below(random, max) }, () => pick(random, [...alphabet])).join('');

/** Returns the cells that a spreadsheet with semicolons as list separators makes of an exported line. */
const splitAtSemicolons = (csv: string): string[] => csv.split(/[;\r\n]/);
/** The spreadsheet may strip leading quotes first. */
const runs = (cell: string): boolean => /^"*[=+\-@\t\r\n＝＋－＠]/.test(cell);

/** Returns null when the reference parser finds a fault. */
function oracle(work: () => string[][]): string[][] | null {
  try {
    return work().filter((record) => record.length > 1 || record[0] !== '');
  } catch (error) {
    if (!/^(CSV_|INVALID_)/.test((error as { code?: string }).code ?? '')) throw error;
    return null;
  }
}

describe('the CSV reader', () => {
  it.each([
    [
      'a,b\r\nc,d\r\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    [
      'a,b\nc,d',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['a\rb\r', [['a'], ['b']]],
    [
      '\r\n\na,b\r\n\r\n\nc,d\n\n',
      [
        ['a', 'b'],
        ['c', 'd'],
      ],
    ],
    ['"a ""quoted"" one","two\r\nlines",""\n', [['a "quoted" one', 'two\r\nlines', '']]],
    [
      'a,\n,b\n,',
      [
        ['a', ''],
        ['', 'b'],
        ['', ''],
      ],
    ],
    ['', []],
  ])('reads %j', (text, records) => {
    for (const size of [1, 2, 1_000]) expect(read(text, size)).toEqual(records);
  });

  it.each<[Delimiter, string]>([
    [';', 'a,b;"c;d"\n'],
    ['\t', 'a,b\t"c\td"\n'],
    ['|', 'a,b|"c|d"\n'],
  ])('splits at %j where it is the delimiter', (delimiter, text) => {
    expect(read(text, 4, delimiter)).toEqual([['a,b', `c${delimiter}d`]]);
  });

  it('skips blanks around quotes and keeps the blanks of other fields', () => {
    for (const size of [1, 2, 1_000]) {
      expect(read('a, "b, c" ,  ""  , d ,\n "e"\n', size)).toEqual([['a', 'b, c', '', ' d ', ''], ['e']]);
      expect(read('a\t "b"\t""\n', size, '\t')).toEqual([['a', 'b', '']]);
      expect(read('a, "b" c\nd, "e', size)).toEqual(['MALFORMED', 'MALFORMED']);
    }
  });

  it.each([
    ['a quote within a field', 'a,b"c\nd,e\n', ['MALFORMED', ['d', 'e']]],
    ['text after the closing quote', '"a"b,c\nd,e\n"f",g\n', ['MALFORMED', ['d', 'e'], ['f', 'g']]],
    ['a quote that is never closed', 'a,b\n"c,d\ne,f\ng,h', [['a', 'b'], 'MALFORMED', ['e', 'f'], ['g', 'h']]],
    ['a quote that closes in another row', '"a,b\nc,"d"\ne,f\n', ['MALFORMED', ['c', 'd'], ['e', 'f']]],
    ['the end of the file within a quoted field', 'a,b\n"c', [['a', 'b'], 'MALFORMED']],
  ])('continues with the next line after %s', (_what, text, records) => {
    for (const size of [1, 2, 5, 1_000]) expect(read(text, size)).toEqual(records);
  });

  it('discards a record that is too long, and no other record', () => {
    const long = 'x'.repeat(3 * MAX_RECORD);
    const after = [['a', 'b'], 'RECORD_TOO_LONG', ['c', 'd']];
    for (const size of [1_000, 65_536, 1_000_000]) {
      expect(read(`a,b\r\n${long},y\r\nc,d`, size)).toEqual(after);
      expect(read(`a,b\r\n"${long}",y\r\nc,d`, size)).toEqual(after);
      expect(read(`a,b\n${long}`, size)).toEqual(after.slice(0, 2));
    }
    const longest = 'x'.repeat(MAX_RECORD - 1);
    expect(read(`${longest}\na`, 7_000)).toEqual([[longest], ['a']]);
    expect(read(`${longest}x\na`, 7_000)).toEqual(['RECORD_TOO_LONG', ['a']]);
  });

  it('buffers at most one record: an unclosed quote in a large file costs only its line', () => {
    const lines = 'a,b\n'.repeat(100_000);
    const records = read(`"${lines}`, 65_536);
    expect(records.length).toBe(100_000);
    expect(records.filter((record) => typeof record === 'string')).toEqual(['RECORD_TOO_LONG']);
  });

  it.each<[string, (line: number) => string]>([
    ['quotes that are never closed', () => '"'],
    ['pairs of quotes', () => '""'],
    ['quotes followed by other text', () => '"a"b\n'],
    ['quotes that close a line later', () => '"a\n'],
    ['delimiters', () => ','],
    ['blanks', () => ' '],
    ['blanks before quotes', () => '   "   '],
    ['empty quoted fields', () => '"",'],
    ['line breaks', () => '\r'],
    ['a mix of all', (line) => ['"', ',', '\n', ' "', '""', '\r\n', ' ', 'a'][(line * 7) % 8] ?? ''],
  ])('reads a hostile text about as fast as any other: %s', (_what, unit) => {
    const timeOf = (unitOf: (line: number) => string): number => {
      let text = '';
      for (let line = 0; text.length < 2_000_000; line++) text += unitOf(line);
      const began = process.cpuUsage();
      read(text, 65_536);
      const { user, system } = process.cpuUsage(began);
      return user + system;
    };
    // A reader that starts again for each character of a record would take thousands of times as long.
    expect(timeOf(unit)).toBeLessThan(50 * timeOf(() => 'ada@example.com,"Ada, L.",36\n'));
  });

  it('agrees with csv-parse on valid texts, and finds a fault wherever csv-parse finds one', () => {
    const random = seeded(1);
    const options = { relax_column_count: true, skip_empty_lines: true, record_delimiter: ['\r\n', '\n', '\r'] };
    const different: unknown[] = [];
    let [sound, broken] = [0, 0];
    for (let run = 0; run < 10_000; run++) {
      const text = textOf(random, 'aé,,""\r\n', 14);
      const records = read(text, 1 + below(random, 6));
      const expected = oracle(() => parse(text, options));
      const isSame = expected ? isDeepStrictEqual(records, expected) : records.includes('MALFORMED');
      if (!isSame) different.push([text, records, expected]);
      if (expected) sound++;
      else broken++;
    }
    expect(different).toEqual([]);
    expect(Math.min(sound, broken)).toBeGreaterThan(1_000);
  });
});

describe('exported CSV cells', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '\nx', '＝1', "'=1", "'''@x", '"=1', `'"'=1`])(
    'keep a spreadsheet from running %j',
    (text) => {
      expect(guardCell(text)).toBe(`'${text}`);
    },
  );

  it.each([
    ['a;=1', "a;'=1"],
    ['a;@b;c;+d', "a;'@b;c;'+d"],
    [`a;"=cmd|'/C calc'!A0;`, `a;'"=cmd|'/C calc'!A0;`],
    ['two\r\n=lines', "two\r'\n'=lines"],
    ['=1;=2', "'=1;'=2"],
  ])('keep a spreadsheet that splits at semicolons from running %j', (text, guarded) => {
    expect(guardCell(text)).toBe(guarded);
    expect(unguardCell(guarded)).toBe(text);
  });

  it.each(['', 'a=b', "'", "'tis", "O'Neil", '1-2', ' =1', 'a; =b', 'a;b', "a;'b"])('leave %j unchanged', (text) => {
    expect(guardCell(text)).toBe(text);
    expect(unguardCell(text)).toBe(text);
  });

  it('return the original text after export and import', () => {
    const random = seeded(2);
    const different: unknown[] = [];
    for (let run = 0; run < 5_000; run++) {
      const row = Array.from({ length: 3 }, () => textOf(random, `'=+-@\t\r\n,;"\\a＝é`, 8));
      const hobbies = Array.from({ length: below(random, 5) }, () => `${textOf(random, `'=;\\,"a`, 6)}x`);
      const [cells = []] = read(toCsv([[...row.map(guardCell), joinHobbies(hobbies), 'end']])) as string[][];
      const back = [cells.slice(0, 3).map(unguardCell), splitHobbies(cells[3] ?? '')];
      const line = toCsv([['id', ...row.map(guardCell), joinHobbies(hobbies)]]).trimEnd();
      const isRun = cells.some(runs) || splitAtSemicolons(line).some(runs);
      if (isRun || !isDeepStrictEqual(back, [row, hobbies])) different.push([row, hobbies, cells]);
    }
    expect(different).toEqual([]);
  });

  it('accept hobbies that another program joined', () => {
    expect(splitHobbies('chess; go ;a\\b')).toEqual(['chess', ' go ', 'a\\b']);
    expect(splitHobbies('a\\;b;c')).toEqual(['a;b', 'c']);
    expect(splitHobbies('  ')).toEqual([]);
    expect(splitHobbies('a;;b;')).toEqual(['a', '', 'b', '']);
  });
});
