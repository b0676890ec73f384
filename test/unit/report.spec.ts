// The parts of the PDF report that do not draw: figures, chart columns, text direction, line breaks, fonts.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it, jest } from '@jest/globals';
import { create, type Glyph } from 'fontkit';
import { directionOf, levelRunsOf } from '../../src/shared/libs/typesetting/direction.js';
import { type Face, findFace } from '../../src/shared/libs/typesetting/faces.js';
import { GlyphSubset } from '../../src/shared/libs/typesetting/glyph-subset.js';
import { beginLayout } from '../../src/shared/libs/typesetting/layout-cache.js';
import { breakLines } from '../../src/shared/libs/typesetting/line-break.js';
import type { Row } from '../../src/tasks/report/report-row.js';
import { chartDueDates, summarize } from '../../src/tasks/report/summary.js';
import { unpackFont } from '../../src/shared/libs/typesetting/woff.js';

const NOW = Date.parse('2026-05-13T09:30:00Z'); // a Wednesday
const DAY = 86_400_000;

function row(dueIn: number | null, status: Row['status'] = 'TODO'): Row {
  return { title: '', status, priority: 3, dueAt: dueIn === null ? null : NOW + dueIn, createdAt: NOW };
}

describe('report figures', () => {
  it('count open tasks by their due date, to the millisecond', () => {
    const rows = [row(-1), row(0), row(7 * DAY - 1), row(7 * DAY), row(null), row(-1, 'DONE'), row(null, 'DONE')];
    expect(summarize(rows, NOW)).toEqual({
      total: 7,
      byStatus: { TODO: 5, IN_PROGRESS: 0, DONE: 2 },
      overdue: 1,
      dueWithin7Days: 2,
      withoutDueDate: 1,
    });
  });
});

describe('chart columns', () => {
  const shown = (rows: Row[]): string[] =>
    chartDueDates(rows, NOW)?.columns.map(
      ({ label, overdue, upcoming }) => `${label.mark} ${label.span} ${overdue}/${upcoming}`,
    ) ?? [];

  it('are weeks from Monday for near dates; the current week can contain overdue and upcoming tasks', () => {
    const monday = Date.parse('2026-05-11T00:00:00Z') - NOW;
    const columns = shown([row(monday - 1), row(monday), row(DAY), row(monday + 7 * DAY - 1), row(-1, 'DONE')]);
    expect(columns).toHaveLength(12);
    expect(columns.slice(3, 6)).toEqual(['4 May 1/0', '11 May 1/2', '18 May 0/0']);
    expect([columns[0], columns[11]]).toEqual(['13 Apr 0/0', '29 Jun 0/0']);
  });

  it('are months for distant dates, and the first and last column contain everything beyond', () => {
    const columns = shown([row(-3000 * DAY), row(-1), row(1), row(40 * DAY), row(3000 * DAY), row(3000 * DAY)]);
    expect(columns.slice(3, 7)).toEqual(['Apr 2026 0/0', 'May 2026 1/1', 'Jun 2026 0/1', 'Jul 2026 0/0']);
    expect([columns[0], columns[11]]).toEqual(['Earlier  1/0', 'Later  0/2']);
  });

  it('are absent when no open task has a due date', () => {
    expect(chartDueDates([row(null), row(DAY, 'DONE')], NOW)).toBeUndefined();
  });
});

describe('text direction', () => {
  const visual = (text: string): string[] => levelRunsOf(text, directionOf(text)).map((run) => run.text);

  it('keeps left-to-right text in one run', () => {
    expect(visual('Größe 中文 (1) 🚀')).toEqual(['Größe 中文 (1) 🚀']);
  });

  it('orders the runs of a right-to-left line from left to right, mirrors brackets and keeps numbers', () => {
    expect(directionOf('אב (12) גד').rightToLeft).toBe(true);
    expect(visual('אב (12) גד')).toEqual(['( גד', '12', 'אב )']);
  });

  it('keeps the word order of a left-to-right line', () => {
    expect(visual('see אב גד now')).toEqual(['see ', 'אב גד', ' now']);
  });

  it('removes the control characters after use', () => {
    expect(visual('a\u202ebc\u202cd')).toEqual(['a', 'bc', 'd']);
  });
});

describe('report lines', () => {
  const lines = (text: string, width: number, maxLines = 9): string[] => {
    const broken = breakLines(text, width, maxLines, (part) => Array.from(part).length);
    return broken.lines.map(({ start, end }) => broken.text.slice(start, end));
  };

  it.each([
    ['fit', 'one two', 7, ['one two']],
    ['break at spaces', 'one two three', 7, ['one two', 'three']],
    ['keep punctuation with its word', 'see (this), or', 7, ['see', '(this),', 'or']],
    ['break inside a word that fills a line', 'abcdefghij', 4, ['abcd', 'efgh', 'ij']],
    ['break between the words of Chinese', '财务报告。准备', 5, ['财务报告。', '准备']],
  ])('%s', (_how, text, width, expected) => {
    expect(lines(text, width)).toEqual(expected);
  });

  it('measure little more text than they show', () => {
    for (const text of ['अ'.repeat(200), 'क्षि'.repeat(50), '!'.repeat(200), '日'.repeat(200), 'word '.repeat(40)]) {
      let measured = 0;
      breakLines(text, 20, 2, (part) => {
        measured += part.length;
        return Array.from(part).length;
      });
      expect([text, measured < 200]).toEqual([text, true]);
    }
  });

  it('end in an ellipsis where the space ends', () => {
    expect(lines('one two three four five', 9, 2)).toEqual(['one two', 'three fo…']);
    expect(lines('one', 0, 2)).toHaveLength(2);
  });
});

describe('report layout', () => {
  const glyphsOf = (text: string): number =>
    findFace(text.codePointAt(0) as number, 400)?.font.layout(text).glyphs.length ?? 0;

  it('shapes new words for ten seconds of a document, then sets their letters; known words stay shaped', () => {
    beginLayout();
    expect(glyphsOf('क्षि')).toBeLessThan(4);
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => (now += 5_000));
    expect(glyphsOf('क्षी')).toBeLessThan(4);
    expect(glyphsOf('क्षु')).toBeLessThan(4);
    expect(glyphsOf('क्षू')).toBe(4);
    expect(glyphsOf('क्षि')).toBeLessThan(4);
    clock.mockRestore();
    beginLayout();
    expect(glyphsOf('क्षू')).toBeLessThan(4);
  });

  it('sets Chinese characters and syllables of Korean without shaping, exactly as their fonts shape them', () => {
    for (const [first, last] of [
      [0x3400, 0x4dbf],
      [0x4e00, 0x9fff],
      [0xac00, 0xd7a3],
    ] as const)
      // prettier-ignore
      for (let codePoint = first; codePoint <= last; codePoint += 211) {
        const char = String.fromCodePoint(codePoint);
        const { font } = findFace(codePoint, 400) as Face;
        const [alone, shaped] = [font.layout(char), font.layout(`${char} `)]; // text with a space is shaped
        expect([char, alone.glyphs[0], alone.positions[0]]).toEqual([char, shaped.glyphs[0], shaped.positions[0]]);
      }
  });

  it('remembers the words of right-to-left text, in their order from left to right', () => {
    const { font } = findFace('ب'.codePointAt(0) as number, 400) as Face;
    const whole = font.layout('باب بيت').glyphs.flatMap(({ codePoints }) => codePoints);
    expect(String.fromCodePoint(...whole)).toBe(Array.from('باب بيت').reverse().join(''));
  });
});

describe('report fonts', () => {
  const file = (name: string): Buffer => readFileSync(createRequire(import.meta.url).resolve(name));

  it.each([
    ['WOFF 2', '@fontsource-variable/noto-sans-sc/files/noto-sans-sc-latin-wght-normal.woff2'],
    ['WOFF', '@fontsource/unifont/files/unifont-latin-400-normal.woff'],
  ])('of the format %s keep their outlines when they are unpacked', (_kind, name) => {
    const [packed, plain] = [create(file(name)), create(unpackFont(file(name)))];
    for (const glyph of [36, 37, 60, 90, 120, 150])
      expect(plain.getGlyph(glyph).path.commands).toEqual(packed.getGlyph(glyph).path.commands);
  });

  it('are reduced to the used glyphs, at the requested weight', () => {
    const variable = create(
      unpackFont(file('@fontsource-variable/noto-sans-sc/files/noto-sans-sc-latin-wght-normal.woff2')),
    );
    const bold = variable.getVariation({ wght: 700 });
    const [used = 0] = bold.layout('é').glyphs.map(({ id }) => id);
    const subset = new GlyphSubset(bold, (number) => number);
    expect([subset.includeGlyph(used), subset.includeGlyph(used)]).toEqual([1, 1]);
    const cut = create(subset.encode());
    // Whole units: TrueType omits points halfway between two others; here they are written out.
    const outline = (glyph: Glyph): number[] => glyph.path.commands.flatMap(({ args }) => args.map(Math.round));
    expect(outline(cut.getGlyph(1))).toEqual(outline(bold.getGlyph(used)));
    expect(outline(cut.getGlyph(1))).not.toEqual(outline(variable.getGlyph(used)));
    expect(subset.encode().length).toBeLessThan(2_000);
  });
});
