// Text direction: splits a line into parts of one direction and puts them in their visual order.
import bidiFactory from 'bidi-js';

/** A part to draw from left to right. Its letters are in visual order where the font does not reorder them itself. */
export interface Piece {
  text: string;
  rightToLeft: boolean;
}

// The package's types describe its CommonJS file as an ES module.
const bidi = (bidiFactory as unknown as typeof bidiFactory.default)();

/** Letters of right-to-left scripts and the controls that change the direction. Text without them needs no reordering. */
const RIGHT_TO_LEFT =
  /[\u0591-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]|\p{Bidi_Control}/u;
const CONTROLS = /\p{Bidi_Control}/gu;

export interface Direction {
  rightToLeft: boolean;
  levels: Uint8Array | undefined;
}

export function hasRightToLeft(text: string): boolean {
  return RIGHT_TO_LEFT.test(text);
}

/** Computes the direction of the whole text, because the direction of a line depends on the text before it. */
export function directionOf(text: string): Direction {
  if (!hasRightToLeft(text)) return { rightToLeft: false, levels: undefined };
  const { levels, paragraphs } = bidi.getEmbeddingLevels(text);
  return { rightToLeft: (paragraphs[0]?.level ?? 0) % 2 === 1, levels };
}

/** Returns the parts of `text` from `start` to `end`, from left to right. */
export function visualPieces(text: string, { levels }: Direction, start = 0, end = text.length): Piece[] {
  if (!levels) return [{ text: text.slice(start, end), rightToLeft: false }];
  const pieces: { from: number; to: number; level: number }[] = [];
  for (let at = start; at < end; at++) {
    const last = pieces.at(-1);
    const level = levels[at] as number;
    if (last?.level === level) last.to = at + 1;
    else pieces.push({ from: at, to: at + 1, level });
  }
  reorder(pieces);
  return pieces.map(({ from, to, level }) => {
    const logical = text.slice(from, to);
    return level % 2 === 0
      ? { text: logical.replace(CONTROLS, ''), rightToLeft: false }
      : { text: mirror(logical), rightToLeft: true };
  });
}

/** Rule L2 of the bidi algorithm: for each level from the highest to the lowest odd one, reverses the runs at or above it. */
function reorder(pieces: { level: number }[]): void {
  for (let level = Math.max(0, ...pieces.map((piece) => piece.level)); level > 0; level--) {
    for (let from = 0; from < pieces.length; from++) {
      let to = from;
      while (to < pieces.length && (pieces[to] as { level: number }).level >= level) to++;
      if (to > from) pieces.splice(from, to - from, ...pieces.slice(from, to).reverse());
      from = to;
    }
  }
}

/** Mirrors brackets and removes the direction controls, which are no longer needed. */
function mirror(text: string): string {
  const mirrored = Array.from(text, (char) => bidi.getMirroredCharacter(char) ?? char).join('');
  return mirrored.replace(CONTROLS, '');
}

/** True when a font lays the text out from right to left by itself, which it does for a letter of a right-to-left script. */
export function isTurnedByFont(text: string): boolean {
  for (const char of text) {
    const type = bidi.getBidiCharTypeName(char);
    if (type === 'R' || type === 'AL') return true;
    if (type === 'L') return false;
  }
  return false;
}
