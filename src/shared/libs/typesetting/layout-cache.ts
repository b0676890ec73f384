// Caches fontkit's layout of words: titles repeat their words, and each word is measured first and drawn later.
import type { Font, Glyph, GlyphRun, Position, RunGlyph } from 'fontkit';
import { LRUCache } from 'lru-cache';
import { hasRightToLeft, isTurnedByFont } from './direction.js';

export interface CachedLayout {
  /** Returns the width of the text, in font units. */
  advance: (text: string) => number;
  /** Replaces the font's own layout. It numbers glyphs anew: one number for each pair of glyph and represented text. */
  layout: Font['layout'];
  /** Returns the font's own number of a glyph. */
  glyphOf: (number: number) => number;
}

/** Words of all fonts together; each entry takes about 1 KB. */
const memory = new LRUCache<string, GlyphRun>({ max: 20_000 });
/**
 * Time for the layout of new words in one document. Fifty letters of some scripts take 10 ms, and natural titles repeat their
 * words; the words after this time are set letter by letter, without the ligatures and positions of their script.
 */
const MAX_LAYOUT_MS = 10_000;
let spentMs = 0;
/** OpenType features that position glyphs relative to each other, turned off. */
const WITHOUT_ANCHORS = { mark: false, mkmk: false, abvm: false, blwm: false, curs: false };
/** Chinese characters and whole syllables of Korean: fonts draw them one after the other, and reports have thousands of them. */
const UNSHAPED = /^[\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3]+$/;
let fonts = 0;

/** Call at the start of a document. */
export function beginLayout(): void {
  spentMs = 0;
}

export function cacheLayouts(font: Font): CachedLayout {
  const id = fonts++;
  collectMeanings(font);
  const layout = font.layout.bind(font);
  const { number, glyphOf } = numberByMeaning();
  const lookUp = (text: string): GlyphRun => {
    const key = `${id} ${text}`;
    const known = memory.get(key);
    if (known) return known;
    const numbered = ({ glyphs, ...places }: GlyphRun): GlyphRun => ({ glyphs: glyphs.map(number), ...places });
    if (spentMs >= MAX_LAYOUT_MS || UNSHAPED.test(text)) return numbered(setLetters(font, text));
    const began = performance.now();
    const { glyphs, positions, advanceWidth } = layOut(layout, text);
    spentMs += performance.now() - began;
    const run = numbered({ glyphs, positions, advanceWidth });
    memory.set(key, run);
    return run;
  };
  const lookUpWords = (text: string): GlyphRun[] => visualWords(text).map(lookUp);
  const advance = (text: string): number => lookUpWords(text).reduce((sum, run) => sum + run.advanceWidth, 0);
  return { advance, layout: (text) => join(lookUpWords(text)), glyphOf };
}

/** Splits text into words, each with the space after it, from left to right. A font turns words around, but not their order. */
function visualWords(text: string): string[] {
  const words = text.split(/(?<= )/);
  if (!hasRightToLeft(text)) return words;
  return words.every(isTurnedByFont) ? words.reverse() : [text];
}

/** The letters of a text one after the other, as the font draws each alone. */
function setLetters(font: Font, text: string): GlyphRun {
  const glyphs = font.glyphsForString(text);
  if (isTurnedByFont(text)) glyphs.reverse();
  const positions = glyphs.map(({ advanceWidth: xAdvance }) => ({ xAdvance, yAdvance: 0, xOffset: 0, yOffset: 0 }));
  return { glyphs, positions, advanceWidth: positions.reduce((sum, { xAdvance }) => sum + xAdvance, 0) };
}

/** fontkit throws on anchors that some fonts omit. The fallback layout does not adjust the positions of marks. */
function layOut(layout: Font['layout'], text: string): GlyphRun {
  try {
    return layout(text);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return layout(text, WITHOUT_ANCHORS);
  }
}

/**
 * fontkit keeps a glyph with the characters of its first use. Without this, the dot of an ellipsis would never again
 * represent a full stop.
 */
function collectMeanings(font: Font): void {
  const getGlyph = font.getGlyph.bind(font);
  font.getGlyph = (id, codePoints) => {
    const glyph = getGlyph(id, codePoints);
    if (!codePoints) return glyph;
    const { advanceWidth } = glyph; // fontkit keeps it with the glyph; a copy alone would compute it again
    return Object.create(glyph, { codePoints: { value: codePoints }, advanceWidth: { value: advanceWidth } }) as Glyph;
  };
}

/**
 * Numbers glyphs by what they represent. In a PDF a glyph represents one text, used for search and copying, but fonts share
 * glyphs: Arabic letters that differ only in their dots share one body.
 */
function numberByMeaning(): { number: (glyph: RunGlyph) => RunGlyph; glyphOf: CachedLayout['glyphOf'] } {
  const numbers = new Map<string, number>();
  const glyphs = [0]; // pdfkit treats 0 as a missing glyph
  const number = (glyph: RunGlyph): RunGlyph => {
    const meaning = `${glyph.id} ${glyph.codePoints.join()}`;
    const id = numbers.get(meaning) ?? glyphs.push(glyph.id) - 1;
    numbers.set(meaning, id);
    return { id, codePoints: glyph.codePoints, advanceWidth: glyph.advanceWidth };
  };
  return { number, glyphOf: (id) => glyphs[id] ?? 0 };
}

/**
 * Joins runs and copies their positions, because pdfkit scales them in place. Each copy already has the member that pdfkit
 * adds, because objects that change their shape are slow.
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
