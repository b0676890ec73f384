// Accepted text, normalization in bounded time, and escaping of user text in LIKE patterns.
import { describe, expect, it } from '@jest/globals';
import {
  cleanEmail,
  cleanText,
  escapeLike,
  hasAtLeast,
  hasAtMost,
  isStorableText,
  isStreamSafe,
  MAX_MARKS,
  normalize,
} from '../../src/shared/libs/text.js';

/** Two marks of different combining classes, in the order that normalization changes. */
const marks = (count: number) => '\u0300\u0323'.repeat(count / 2);

/** The least of three runs: a garbage collection of what earlier suites left may fall into one. */
function cpuMsOf(work: () => unknown): number {
  const runs = [1, 2, 3].map(() => {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  });
  return Math.min(...runs);
}

it.each([
  ['', true],
  ['naïve 日本 😀', true],
  ['a\0b', false],
  ['\ud83d', false],
  ['x\ude00\ud83d', false],
])('%j can be stored: %s', (text, storable) => {
  expect(isStorableText(text)).toBe(storable);
});

it('escaping changes all LIKE pattern characters and nothing else', () => {
  expect(escapeLike('50%_off\\now% [a-z]*')).toBe('50\\%\\_off\\\\now\\% [a-z]*');
});

const scripts = ['plain words ', 'кириллица ', '日本語', 'नमस्ते ', `a${marks(MAX_MARKS)}`];

describe('combining marks', () => {
  it(`${MAX_MARKS} in a row are accepted anywhere, and one more is refused`, () => {
    const run = marks(MAX_MARKS);
    for (const text of ['', 'Zoë', run, `a${run}b${run}`, `日${run}😀${run}`])
      expect([text, isStreamSafe(text)]).toEqual([text, true]);
    for (const mark of ['\u0300', '\u0345', '\ufe0f', '\u{1d165}', '\u0903'])
      for (const [before, after] of [
        ['', ''],
        ['a', 'b'],
        ['\ud83d\ude00', 'x'],
      ] as const)
        expect([mark, isStreamSafe(`${before}${run}${mark}${after}`)]).toEqual([mark, false]);
  });

  it('include every character that normalization may reorder', () => {
    const counts = (char: string) => !isStreamSafe(char.repeat(MAX_MARKS + 1));
    const moves = (char: string) => /^\p{M}/u.test(char.normalize('NFKD'));
    const misses: string[] = [];
    for (let code = 1; code < 0x110000; code++) {
      const char = String.fromCodePoint(code);
      if (char.isWellFormed() && moves(char) && !counts(char)) misses.push(code.toString(16));
    }
    // Thai and Lao AM decompose into a mark of class 0, which never moves, and a vowel.
    expect(misses).toEqual(['e33', 'eb3']);
  });

  it('are sorted in short runs, and left unchanged where sorting would take quadratic time', () => {
    expect(normalize(`a${marks(MAX_MARKS)}`)).toBe(`a${marks(MAX_MARKS)}`.normalize('NFC'));
    expect(normalize('e\u0301')).toBe('é');
    expect(normalize('ﬁ é', 'NFKD')).toBe('fi e\u0301');
    expect(normalize(`e\u0301${marks(32)}`)).toBe(`e\u0301${marks(32)}`);
  });

  it('are counted in every script', () => {
    for (const unit of scripts) expect([unit, isStreamSafe(unit.repeat(1_000))]).toEqual([unit, true]);
    for (const unit of scripts) expect([unit, isStreamSafe(unit + marks(MAX_MARKS + 2))]).toEqual([unit, false]);
  });

  it('take linear time in any number', () => {
    const runs = `a${marks(MAX_MARKS)}`.repeat(10_000);
    const calibration = Math.max(
      1,
      cpuMsOf(() => runs.normalize('NFC')),
    );
    for (const flood of [
      `a${marks(500_000)}`,
      '\uff9e\u0300'.repeat(250_000),
      '\u0f73'.repeat(500_000),
      ...scripts.map((unit) => unit.repeat(100_000)),
      runs,
    ])
      expect(cpuMsOf(() => normalize(flood, 'NFKD'))).toBeLessThan(20 * calibration + 50);
  });
});

describe('cleaned text', () => {
  it('is trimmed and in normal form C', () => {
    expect(cleanText(' \t\u3000e\u0301\ufeff\n', 10)).toBe('é');
    expect(cleanEmail(' RENE\u0301@Example.COM ')).toBe('ren\u00e9@example.com');
  });

  it('may be as long as the longest decomposed form of its maximum length', () => {
    const long = '\u1f82'.normalize('NFD'); // a base character and three marks
    expect(long).toHaveLength(4);
    expect(cleanText(long.repeat(50), 50)).toBe('\u1f82'.repeat(50));
  });

  it('stays unchanged when it is too long or cannot be stored', () => {
    for (const raw of [' '.repeat(201), ` ${'x'.repeat(201)}`, ' a\0', ' \ud83d']) expect(cleanText(raw, 50)).toBe(raw);
    expect(cleanEmail(' A'.repeat(1_000))).toBe(' A'.repeat(1_000));
  });
});

it('text length is counted in code points', () => {
  for (const [text, length] of [
    ['', 0],
    ['abc', 3],
    ['😀😀', 2],
    ['a\ufe0f', 2],
    ['😀b', 2],
  ] as const) {
    expect([text, hasAtMost(length, text), hasAtMost(length - 1, text)]).toEqual([text, true, false]);
    expect([text, hasAtLeast(length, text), hasAtLeast(length + 1, text)]).toEqual([text, true, false]);
  }
});
