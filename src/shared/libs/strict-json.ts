// Strict JSON input: UTF-8, bounded depth and number of values, storable text, no keys that reach a prototype.
import secureJsonParse from 'secure-json-parse';
import { isStorableText } from './text.js';

/** Deeper than any request body of this API, shallow enough for every recursive reader (also PostgreSQL's jsonb). */
const MAX_DEPTH = 32;
/** Maximum members of one object or items of one array. The largest list that a route accepts has 500 items. */
const MAX_MEMBERS = 1_000;
/**
 * Maximum members and items in the whole text: three times what 500 tasks with all their members need. The code that reads
 * the value takes about 2 µs for each, so a body costs at most 20 ms.
 */
const MAX_VALUES = 10_000;
/** Maximum length of a key, in characters of the raw text, escapes included. */
const MAX_KEY = 256;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The reason why a text was refused; safe to show to the client. */
export class StrictJsonError extends Error {}

/**
 * Parses RFC 8259 text. Throws StrictJsonError for invalid UTF-8 or JSON, for nesting, members or values above the limits
 * in this file, for the keys `__proto__` and `constructor.prototype`, for NUL and for lone surrogates. Empty input returns
 * undefined.
 */
export function parseStrictJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  const text = decode(bytes);
  const excess = findExcess(text);
  if (excess !== null) throw new StrictJsonError(excess);
  const value = parse(text);
  // Raw control characters and invalid UTF-8 were refused above, so only an escape can contain NUL or a lone surrogate.
  if (text.includes('\\u') && !isStorable(value))
    throw new StrictJsonError(
      'The JSON holds a NUL character (\\u0000) or half of a surrogate pair, which no text may contain.',
    );
  return value;
}

function decode(bytes: Buffer): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new StrictJsonError('The body is not UTF-8.');
  }
}

function parse(text: string): unknown {
  try {
    return secureJsonParse.parse(text, { protoAction: 'error', constructorAction: 'error' });
  } catch (error) {
    const forbidden = error instanceof SyntaxError && error.message.includes('forbidden prototype');
    throw new StrictJsonError(
      forbidden
        ? 'The JSON holds a key that reaches a prototype (__proto__, constructor.prototype).'
        : 'The body is not valid JSON.',
    );
  }
}

/** Scans the text once before it is parsed. Returns the first violated limit (depth, members, values, key), or null. */
function findExcess(text: string): string | null {
  const commas: number[] = []; // one count for each open object and array
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      const end = endOfString(text, at + 1);
      if (end - at > MAX_KEY + 1 && isKey(text, end)) return `The JSON holds a key longer than ${MAX_KEY} characters.`;
      at = end;
    } else if (char === COMMA) {
      if (++(commas[commas.length - 1] as number) >= MAX_MEMBERS) return WIDE;
      if (++values > MAX_VALUES) return MANY;
    } else if (char === OPEN_OBJECT || char === OPEN_ARRAY) {
      if (commas.push(0) > MAX_DEPTH) return `The JSON is nested deeper than ${MAX_DEPTH} levels.`;
      if (++values > MAX_VALUES) return MANY;
    } else if (char === CLOSE_OBJECT || char === CLOSE_ARRAY) commas.pop();
  }
  return null;
}

const WIDE = `The JSON holds an object or array of more than ${MAX_MEMBERS} members.`;
const MANY = `The JSON holds more than ${MAX_VALUES} values.`;
const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Returns the index of the closing quote, or one at or after the end of the text when there is none. */
function endOfString(text: string, start: number): number {
  let at = start;
  for (; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) break;
    if (char === BACKSLASH) at++; // the next character is escaped
  }
  return at;
}

/** True when a colon follows the string that ends at `end`. */
function isKey(text: string, end: number): boolean {
  let at = end + 1;
  while (text.charCodeAt(at) <= 0x20) at++;
  return text.charCodeAt(at) === COLON;
}

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return isStorableText(value);
  if (typeof value !== 'object' || value === null) return true;
  if (Array.isArray(value)) return value.every(isStorable);
  return Object.entries(value).every(([key, member]) => isStorableText(key) && isStorable(member));
}
