// Breaks text into lines: at spaces, between words of scripts without spaces, and inside a word that is wider than a line.

const words = new Intl.Segmenter('und', { granularity: 'word' });
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
/** Scripts that write no spaces between words. */
const UNSPACED = /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;

/** English letters, digits and spaces, in words of at most MAX_UNIT: their parts are known without the segmenter, which is slow. */
const PLAIN = /^(?:[A-Za-z0-9]{1,32}(?: +|$))+$/;

/** The maximum length of a unit, in UTF-16 code units. To measure 200 letters of Hindi, of which 50 fit, would take 15 ms. */
const MAX_UNIT = 32;

export interface Broken {
  text: string;
  /** The start and end index of each line in `text`. */
  lines: { start: number; end: number }[];
}

export type Measure = (text: string) => number;

/**
 * Returns at most `maxLines` lines of `width`; an ellipsis replaces the rest. `text` has no line breaks of its own. Only text
 * that is near the lines is measured, since measuring is the expensive part.
 */
export function breakLines(text: string, width: number, maxLines: number, measure: Measure): Broken {
  const lines: Broken['lines'] = [];
  let start = 0;
  while (start < text.length && lines.length < maxLines - 1) {
    const end = endOfLine(text, start, width, measure);
    lines.push({ start, end: start + text.slice(start, end).trimEnd().length });
    start = end;
  }
  if (start === text.length) return { text, lines: lines.length > 0 ? lines : [{ start: 0, end: 0 }] };
  const kept = text.slice(0, start) + cut(text.slice(start), width, measure);
  return { text: kept, lines: [...lines, { start, end: kept.length }] };
}

/** Returns as much of the text as fits, with an ellipsis when it is shortened. */
function cut(text: string, width: number, measure: Measure): string {
  if (wholeUnits(text, width, measure).end === text.length) return text;
  return `${fitting(text, width - measure('…'), measure).trimEnd()}…`;
}

function endOfLine(text: string, start: number, width: number, measure: Measure): number {
  const rest = text.slice(start);
  const { end } = wholeUnits(rest, width, measure);
  return start + (end > 0 ? end : Math.max(fitting(rest, width, measure).length, 1));
}

/** Returns where the last unit ends that fits, and the width of all that fit. Spaces at the end may exceed the width. */
function wholeUnits(text: string, width: number, measure: Measure): { end: number; used: number } {
  let used = 0;
  let end = 0;
  for (const unit of unitsOf(text)) {
    const whole = measure(unit);
    const shown = unit.trimEnd();
    if (used + whole > width && (shown === unit || used + measure(shown) > width)) break;
    used += whole;
    end += unit.length;
  }
  return { end, used };
}

/** Splits text into units that stay together: a word with its punctuation and the spaces after it, or a part of a long word. */
function* unitsOf(text: string): Generator<string> {
  let unit = '';
  for (const part of partsOf(text)) {
    if (unit !== '' && !/^\s/.test(part) && breaksBetween(unit, part)) {
      yield unit;
      unit = '';
    }
    unit += part;
  }
  if (unit !== '') yield unit;
}

function breaksBetween(before: string, after: string): boolean {
  if (/\s$/.test(before) || before.length + after.length > MAX_UNIT) return true;
  return UNSPACED.test(after) || (UNSPACED.test(before) && /^[\p{L}\p{N}]/u.test(after));
}

/** Returns words, spaces and punctuation marks, and the graphemes of words that are too long for a unit. */
function* partsOf(text: string): Generator<string> {
  if (PLAIN.test(text)) return yield* text.match(/ +|[^ ]+/g) ?? [];
  for (const { segment } of words.segment(text)) {
    if (segment.length <= MAX_UNIT) yield segment;
    else for (const grapheme of graphemes.segment(segment)) yield grapheme.segment;
  }
}

/** Returns the whole units that fit, and as many graphemes of the next one as fit. */
function fitting(text: string, width: number, measure: Measure): string {
  let { end, used } = wholeUnits(text, width, measure);
  for (const { segment } of graphemes.segment(text.slice(end))) {
    used += measure(segment);
    if (used > width) break;
    end += segment.length;
  }
  return text.slice(0, end);
}
