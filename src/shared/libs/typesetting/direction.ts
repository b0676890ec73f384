// Text direction: splits a line into runs of one direction (level runs, UAX #9) and puts them in their visual order.
import bidiFactory from 'bidi-js';

/** Text of one direction, to draw from left to right. Its letters are in visual order where the font does not reorder them. */
export interface LevelRun {
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

/** Returns the level runs of `text` from `start` to `end`, from left to right. */
export function levelRunsOf(text: string, { levels }: Direction, start = 0, end = text.length): LevelRun[] {
  if (!levels) return [{ text: text.slice(start, end), rightToLeft: false }];
  const runs: { from: number; to: number; level: number }[] = [];
  for (let at = start; at < end; at++) {
    const last = runs.at(-1);
    const level = levels[at] as number;
    if (last?.level === level) last.to = at + 1;
    else runs.push({ from: at, to: at + 1, level });
  }
  reorder(runs);
  return runs.map(({ from, to, level }) => {
    const logical = text.slice(from, to);
    return level % 2 === 0
      ? { text: logical.replace(CONTROLS, ''), rightToLeft: false }
      : { text: mirror(logical), rightToLeft: true };
  });
}

/** Rule L2 of the bidi algorithm: for each level from the highest to the lowest odd one, reverses the runs at or above it. */
function reorder(runs: { level: number }[]): void {
  for (let level = Math.max(0, ...runs.map((run) => run.level)); level > 0; level--) {
    for (let from = 0; from < runs.length; from++) {
      let to = from;
      while (to < runs.length && (runs[to] as { level: number }).level >= level) to++;
      if (to > from) runs.splice(from, to - from, ...runs.slice(from, to).reverse());
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
