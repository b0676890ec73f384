// Breaks text into lines: at spaces, between words of scripts without spaces, and inside a word that is wider than a line.

const words = new Intl.Segmenter('und', { granularity: 'word' });
const graphemes = new Intl.Segmenter('und', { granularity: 'grapheme' });
/** Scripts that write no spaces between words. */
const UNSPACED = /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;

export interface Broken {
  text: string;
  /** The start and end index of each line in `text`. */
  lines: { start: number; end: number }[];
}

export type Measure = (text: string) => number;

/** Returns at most `maxLines` lines of `width`; an ellipsis replaces the rest. `text` has no line breaks of its own. */
export function breakLines(text: string, width: number, maxLines: number, measure: Measure): Broken {
  if (measure(text) <= width) return { text, lines: [{ start: 0, end: text.length }] };
  const lines: Broken['lines'] = [];
  let start = 0;
  while (start < text.length && lines.length < maxLines - 1) {
    const end = endOfLine(text, start, width, measure);
    lines.push({ start, end: start + text.slice(start, end).trimEnd().length });
    start = end;
  }
  if (start === text.length) return { text, lines };
  const kept = text.slice(0, start) + cut(text.slice(start), width, measure);
  return { text: kept, lines: [...lines, { start, end: kept.length }] };
}

/** Returns as much of the text as fits, with an ellipsis when it is shortened. */
function cut(text: string, width: number, measure: Measure): string {
  if (measure(text) <= width) return text;
  return `${fitting(text, width - measure('…'), measure).trimEnd()}…`;
}

function endOfLine(text: string, start: number, width: number, measure: Measure): number {
  const rest = text.slice(start);
  let used = 0;
  let fits = 0;
  for (const chunk of chunksOf(rest)) {
    if (used + measure(chunk.trimEnd()) > width) break;
    used += measure(chunk);
    fits += chunk.length;
  }
  return start + (fits > 0 ? fits : Math.max(fitting(rest, width, measure).length, 1));
}

/** Splits text into unbreakable units: a word with its punctuation and the spaces after it. */
function chunksOf(text: string): string[] {
  const chunks: string[] = [];
  for (const { segment } of words.segment(text)) {
    const last = chunks.at(-1);
    const breaks = last === undefined || (!/^\s/.test(segment) && (/\s$/.test(last) || breaksBetween(last, segment)));
    if (breaks) chunks.push(segment);
    else chunks[chunks.length - 1] = last + segment;
  }
  return chunks;
}

function breaksBetween(before: string, after: string): boolean {
  return UNSPACED.test(after) || (UNSPACED.test(before) && /^[\p{L}\p{N}]/u.test(after));
}

function fitting(text: string, width: number, measure: Measure): string {
  let used = 0;
  let end = 0;
  for (const { segment } of graphemes.segment(text)) {
    used += measure(segment);
    if (used > width) break;
    end += segment.length;
  }
  return text.slice(0, end);
}
