// Parses the Range header of a request (RFC 9110, 14.2). Pure.
import type { ByteRange } from '../../storage/file-storage.js';

/** More ranges indicate an attack rather than a reader (RFC 9110, 14.2): then the whole file is answered. */
const MAX_RANGES = 16;
const MAX_FIELD = 1_000;
const SPEC = /^(\d*)-(\d*)$/;

/**
 * Returns the requested ranges. Null: the header is ignored (another unit, malformed, too many ranges). An empty list: no
 * range can be satisfied. Ranges that overlap or touch are merged and sorted; otherwise the requested order is kept.
 */
export function parseRanges(field: string, size: number): ByteRange[] | null {
  const [, specs] = /^\s*bytes\s*=(.*)$/i.exec(field.slice(0, MAX_FIELD + 1)) ?? [];
  if (specs === undefined || field.length > MAX_FIELD) return null;
  const ranges: ByteRange[] = [];
  for (const item of specs.split(',').map((text) => text.trim())) {
    if (item === '') continue;
    const range = toRange(item, size);
    if (range === null) return null;
    if (range.start <= range.end) ranges.push(range);
  }
  if (ranges.length === 0) return /\d/.test(specs) ? [] : null;
  const merged = mergeOverlapping(ranges);
  return merged.length > MAX_RANGES ? null : merged;
}

/** Returns null for a malformed range; a range that ends before it starts when it cannot be satisfied. */
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
