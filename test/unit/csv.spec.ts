// CSV in and out: what a broken record costs, whatever pieces it comes in, and that nothing a spreadsheet would run gets out.
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { guardCell, joinHobbies, splitHobbies, toCsv, unguardCell } from '../../src/shared/libs/csv/csv-cells.js';
import { type CsvRecord, CsvReader, type Delimiter, MAX_RECORD } from '../../src/shared/libs/csv/csv-reader.js';
import { below, pick, type Random, seeded } from '../support/random.js';

/** In pieces of `size` characters. */
function read(text: string, size = text.length || 1, delimiter: Delimiter = ','): CsvRecord[] {
  const reader = new CsvReader(delimiter);
  const records: CsvRecord[] = [];
  for (let at = 0; at < text.length; at += size) records.push(...reader.read(text.slice(at, at + size), false));
  return [...records, ...reader.read('', true)];
}

const textOf = (random: Random, alphabet: string, most: number): string =>
  Array.from({ length: below(random, most) }, () => pick(random, [...alphabet])).join('');

/** The cells that a spreadsheet makes of our lines where lists are separated by semicolons. */
const splitAtSemicolons = (csv: string): string[] => csv.split(/[;\r\n]/);
/** It may take quotes at the beginning away first. */
const runs = (cell: string): boolean => /^"*[=+\-@\t\r\n＝＋－＠]/.test(cell);

/** Null: it finds a fault. */
function oracle(work: () => string[][]): string[][] | null {
  try {
    return work().filter((record) => record.length > 1 || record[0] !== '');
  } catch (error) {
    if (!/^(CSV_|INVALID_)/.test((error as { code?: string }).code ?? '')) throw error;
    return null;
  }
}

describe('the reader', () => {
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

  it('passes over blanks around quotes, and keeps those of all other fields', () => {
    for (const size of [1, 2, 1_000]) {
      expect(read('a, "b, c" ,  ""  , d ,\n "e"\n', size)).toEqual([['a', 'b, c', '', ' d ', ''], ['e']]);
      expect(read('a\t "b"\t""\n', size, '\t')).toEqual([['a', 'b', '']]);
      expect(read('a, "b" c\nd, "e', size)).toEqual(['MALFORMED', 'MALFORMED']);
    }
  });

  it.each([
    ['a quote within a field', 'a,b"c\nd,e\n', ['MALFORMED', ['d', 'e']]],
    ['something after the closing quote', '"a"b,c\nd,e\n"f",g\n', ['MALFORMED', ['d', 'e'], ['f', 'g']]],
    ['a quote that is never closed', 'a,b\n"c,d\ne,f\ng,h', [['a', 'b'], 'MALFORMED', ['e', 'f'], ['g', 'h']]],
    ['a quote that closes in another row', '"a,b\nc,"d"\ne,f\n', ['MALFORMED', ['c', 'd'], ['e', 'f']]],
    ['an end in the middle of a quoted field', 'a,b\n"c', [['a', 'b'], 'MALFORMED']],
  ])('goes on with the next line after %s', (_what, text, records) => {
    for (const size of [1, 2, 5, 1_000]) expect(read(text, size)).toEqual(records);
  });

  it('lets go of a record that is too long, and only of that', () => {
    const long = 'x'.repeat(3 * MAX_RECORD);
    const after = [['a', 'b'], 'RECORD_TOO_LONG', ['c', 'd']];
    for (const size of [1_000, 65_536, 1_000_000]) {
      expect(read(`a,b\r\n${long},y\r\nc,d`, size)).toEqual(after);
      expect(read(`a,b\r\n"${long}",y\r\nc,d`, size)).toEqual(after);
      expect(read(`a,b\n${long}`, size)).toEqual(after.slice(0, 2));
    }
    const most = 'x'.repeat(MAX_RECORD - 1);
    expect(read(`${most}\na`, 7_000)).toEqual([[most], ['a']]);
    expect(read(`${most}x\na`, 7_000)).toEqual(['RECORD_TOO_LONG', ['a']]);
  });

  it('keeps no more than a record: a quote that opens a large file costs its line', () => {
    const lines = 'a,b\n'.repeat(100_000);
    const records = read(`"${lines}`, 65_536);
    expect(records.length).toBe(100_000);
    expect(records.filter((record) => typeof record === 'string')).toEqual(['RECORD_TOO_LONG']);
  });

  it.each<[string, (line: number) => string]>([
    ['quotes that nobody closes', () => '"'],
    ['pairs of quotes', () => '""'],
    ['quotes with something behind', () => '"a"b\n'],
    ['quotes that close a line later', () => '"a\n'],
    ['delimiters', () => ','],
    ['blanks', () => ' '],
    ['blanks before quotes', () => '   "   '],
    ['empty quoted fields', () => '"",'],
    ['line breaks', () => '\r'],
    ['everything in turn', (line) => ['"', ',', '\n', ' "', '""', '\r\n', ' ', 'a'][(line * 7) % 8] ?? ''],
  ])('needs for a hostile text hardly more than for any other: %s', (_what, unit) => {
    const timeOf = (unitOf: (line: number) => string): number => {
      let text = '';
      for (let line = 0; text.length < 2_000_000; line++) text += unitOf(line);
      const began = process.cpuUsage();
      read(text, 65_536);
      const { user, system } = process.cpuUsage(began);
      return user + system;
    };
    // Of a record that is read again for each of its characters it would be thousands of times.
    expect(timeOf(unit)).toBeLessThan(50 * timeOf(() => 'ada@example.com,"Ada, L.",36\n'));
  });

  it('agrees with csv-parse where that finds no fault, and finds one where that does', () => {
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

describe('the cells', () => {
  it.each(['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '\rx', '\nx', '＝1', "'=1", "'''@x", '"=1', `'"'=1`])(
    'keeps %j from being run',
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
  ])('keeps %j from being run where a spreadsheet splits at semicolons', (text, guarded) => {
    expect(guardCell(text)).toBe(guarded);
    expect(unguardCell(guarded)).toBe(text);
  });

  it.each(['', 'a=b', "'", "'tis", "O'Neil", '1-2', ' =1', 'a; =b', 'a;b', "a;'b"])('leaves %j as it is', (text) => {
    expect(guardCell(text)).toBe(text);
    expect(unguardCell(text)).toBe(text);
  });

  it('gives back whatever it was given', () => {
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

  it('reads hobbies that somebody else has joined', () => {
    expect(splitHobbies('chess; go ;a\\b')).toEqual(['chess', ' go ', 'a\\b']);
    expect(splitHobbies('a\\;b;c')).toEqual(['a;b', 'c']);
    expect(splitHobbies('  ')).toEqual([]);
    expect(splitHobbies('a;;b;')).toEqual(['a', '', 'b', '']);
  });
});
