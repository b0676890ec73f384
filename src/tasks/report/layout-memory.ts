// What fontkit found out about a word, kept for the next time: titles repeat their words, and each is measured, then drawn.
import type { Font, Glyph, GlyphRun, Position } from 'fontkit';
import { LRUCache } from 'lru-cache';

export interface RememberedLayout {
  /** Width of the text, in units of the font. */
  advance: (text: string) => number;
  /** A stand-in for the font's own. */
  layout: Font['layout'];
}

/** Words of all fonts together; about a kilobyte each. */
const memory = new LRUCache<string, GlyphRun>({ max: 20_000 });
/** Scripts in which what a space parts has nothing to do with each other, so that words can be kept one by one. */
const SIMPLE = /^[\u0020-\u058f]*$/;
let fonts = 0;

export function rememberLayout(font: Font): RememberedLayout {
  const id = fonts++;
  const layout = font.layout.bind(font);
  const recall = (text: string): GlyphRun => {
    const key = `${id} ${text}`;
    const known = memory.get(key);
    if (known) return known;
    const { glyphs, positions, advanceWidth } = layout(text);
    const run = { glyphs, positions, advanceWidth };
    memory.set(key, run);
    return run;
  };
  const recallWords = (text: string): GlyphRun[] => (SIMPLE.test(text) ? text.split(/(?<= )/) : [text]).map(recall);
  const advance = (text: string): number => recallWords(text).reduce((sum, run) => sum + run.advanceWidth, 0);
  return { advance, layout: (text) => join(recallWords(text)) };
}

/**
 * With positions of its own, since pdfkit scales them in place; they have the member that pdfkit adds, since objects that
 * change their shape are slow.
 */
function join(runs: GlyphRun[]): GlyphRun {
  const joined = { glyphs: [] as Glyph[], positions: [] as Position[], advanceWidth: 0 };
  for (const { glyphs, positions, advanceWidth } of runs) {
    for (const glyph of glyphs) joined.glyphs.push(glyph);
    for (const { xAdvance, yAdvance, xOffset, yOffset } of positions)
      joined.positions.push({ xAdvance, yAdvance, xOffset, yOffset, advanceWidth: 0 } as Position);
    joined.advanceWidth += advanceWidth;
  }
  return joined;
}
