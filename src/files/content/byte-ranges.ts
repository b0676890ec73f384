// The Range field of a request (RFC 9110, 14.2): which parts of how many bytes are asked for. Pure.
import type { ByteRange } from '../../storage/file-storage.js';

/** More are a sign of an attack rather than of a reader (RFC 9110, 14.2): the whole is answered. */
const MOST_RANGES = 16;
const LONGEST_FIELD = 1_000;
const SPEC = /^(\d*)-(\d*)$/;

/**
 * Null: the field is to be ignored (another unit, malformed, too many parts). An empty list: nothing of it can be
 * satisfied. Parts that overlap or touch become one; else they stay in the order asked for.
 */
export function parseRanges(field: string, size: number): ByteRange[] | null {
  const [, specs] = /^\s*bytes\s*=(.*)$/i.exec(field.slice(0, LONGEST_FIELD + 1)) ?? [];
  if (specs === undefined || field.length > LONGEST_FIELD) return null;
  const ranges: ByteRange[] = [];
  for (const item of specs.split(',').map((text) => text.trim())) {
    if (item === '') continue;
    const range = toRange(item, size);
    if (range === null) return null;
    if (range.start <= range.end) ranges.push(range);
  }
  if (ranges.length === 0) return /\d/.test(specs) ? [] : null;
  const merged = mergeOverlapping(ranges);
  return merged.length > MOST_RANGES ? null : merged;
}

/** Null when malformed; one that ends before it starts when it cannot be satisfied. */
function toRange(item: string, size: number): ByteRange | null {
  const [, first = '', last = ''] = SPEC.exec(item) ?? [];
  if (first === '' && last === '') return null;
  if (first === '') return { start: Math.max(0, size - Number(last)), end: Number(last) === 0 ? -1 : size - 1 };
  const start = Number(first);
  if (last === '') return { start, end: size - 1 };
  if (Number(last) < start) return null;
  return start >= size ? { start, end: -1 } : { start, end: Math.min(Number(last), size - 1) };
}

function mergeOverlapping(ranges: ByteRange[]): ByteRange[] {
  const merged: ByteRange[] = [];
  for (const range of [...ranges].sort((one, other) => one.start - other.start)) {
    const before = merged.at(-1);
    if (before && range.start <= before.end + 1) before.end = Math.max(before.end, range.end);
    else merged.push({ ...range });
  }
  return merged.length < ranges.length ? merged : ranges;
}
