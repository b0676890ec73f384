// What fontkit found out about a word, kept for the next time: titles repeat their words, and each is measured, then drawn.
import type { Font, Glyph, GlyphRun, Position, RunGlyph } from 'fontkit';
import { LRUCache } from 'lru-cache';

export interface RememberedLayout {
  /** Width of the text, in units of the font. */
  advance: (text: string) => number;
  /** A stand-in for the font's own. Its glyphs are numbered anew, one number for each glyph and what it stands for. */
  layout: Font['layout'];
  /** The font's number of a glyph. */
  glyphOf: (number: number) => number;
}

/** Words of all fonts together; about a kilobyte each. */
const memory = new LRUCache<string, GlyphRun>({ max: 20_000 });
/** Scripts in which what a space parts has nothing to do with each other, so that words can be kept one by one. */
const SIMPLE = /^[\u0020-\u058f]*$/;
/** OpenType features that place glyphs at each other. */
const WITHOUT_ANCHORS = { mark: false, mkmk: false, abvm: false, blwm: false, curs: false };
let fonts = 0;

export function rememberLayout(font: Font): RememberedLayout {
  const id = fonts++;
  keepMeanings(font);
  const layout = font.layout.bind(font);
  const { number, glyphOf } = numberByMeaning();
  const recall = (text: string): GlyphRun => {
    const key = `${id} ${text}`;
    const known = memory.get(key);
    if (known) return known;
    const { glyphs, positions, advanceWidth } = layOut(layout, text);
    const run = { glyphs: glyphs.map(number), positions, advanceWidth };
    memory.set(key, run);
    return run;
  };
  const recallWords = (text: string): GlyphRun[] => (SIMPLE.test(text) ? text.split(/(?<= )/) : [text]).map(recall);
  const advance = (text: string): number => recallWords(text).reduce((sum, run) => sum + run.advanceWidth, 0);
  return { advance, layout: (text) => join(recallWords(text)), glyphOf };
}

/** fontkit stumbles over anchors that some fonts leave out: then marks stand where the letters leave them. */
function layOut(layout: Font['layout'], text: string): GlyphRun {
  try {
    return layout(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return layout(text, WITHOUT_ANCHORS);
  }
}

/**
 * fontkit remembers a glyph with the characters for which it met it first; the dot of an ellipsis would be no full stop
 * ever after.
 */
function keepMeanings(font: Font): void {
  const getGlyph = font.getGlyph.bind(font);
  font.getGlyph = (id, codePoints) => {
    const glyph = getGlyph(id, codePoints);
    return codePoints ? (Object.create(glyph, { codePoints: { value: codePoints } }) as Glyph) : glyph;
  };
}

/**
 * In a PDF a glyph stands for one text, by which it is searched and copied, but fonts share glyphs: of Arabic letters that
 * differ in their dots, one body serves all.
 */
function numberByMeaning(): { number: (glyph: RunGlyph) => RunGlyph; glyphOf: RememberedLayout['glyphOf'] } {
  const numbers = new Map<string, number>();
  const glyphs = [0]; // pdfkit takes 0 for what is missing
  const number = (glyph: RunGlyph): RunGlyph => {
    const meaning = `${glyph.id} ${glyph.codePoints.join()}`;
    const id = numbers.get(meaning) ?? glyphs.push(glyph.id) - 1;
    numbers.set(meaning, id);
    return { id, codePoints: glyph.codePoints, advanceWidth: glyph.advanceWidth };
  };
  return { number, glyphOf: (id) => glyphs[id] ?? 0 };
}

/**
 * With positions of its own, since pdfkit scales them in place; they have the member that pdfkit adds, since objects that
 * change their shape are slow.
 */
function join(runs: GlyphRun[]): GlyphRun {
  const joined = { glyphs: [] as RunGlyph[], positions: [] as Position[], advanceWidth: 0 };
  for (const { glyphs, positions, advanceWidth } of runs) {
    for (const glyph of glyphs) joined.glyphs.push(glyph);
    for (const { xAdvance, yAdvance, xOffset, yOffset } of positions)
      joined.positions.push({ xAdvance, yAdvance, xOffset, yOffset, advanceWidth: 0 } as Position);
    joined.advanceWidth += advanceWidth;
  }
  return joined;
}
