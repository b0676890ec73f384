// JSON as it may enter: UTF-8, shallow, storable text, no keys that reach a prototype.
import secureJsonParse from 'secure-json-parse';
import { isStorableText } from './text.js';

/** Deeper than any body of ours, shallow enough for every recursive reader behind it (PostgreSQL's jsonb included). */
const MOST_DEPTH = 32;
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Why a text was refused; safe to show. */
export class StrictJsonError extends Error {}

/**
 * Parses RFC 8259 text. Throws StrictJsonError on invalid UTF-8 or JSON, nesting deeper than 32, the keys `__proto__`
 * and `constructor.prototype`, NUL and lone surrogates. Empty input is `undefined`.
 */
export function parseStrictJson(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined;
  const text = decode(bytes);
  if (isTooDeep(text)) throw new StrictJsonError(`The JSON is nested deeper than ${MOST_DEPTH} levels.`);
  const value = parse(text);
  // Raw control characters and broken UTF-8 did not get here, so only an escape can bring NUL or half a surrogate pair.
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

/** One pass over the text, before any recursive parser sees it. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (inString) {
      if (char === 0x5c)
        i++; // backslash: whatever follows is escaped
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) inString = true;
    else if (char === 0x7b || char === 0x5b) {
      if (++depth > MOST_DEPTH) return true;
    } else if (char === 0x7d || char === 0x5d) depth--;
  }
  return false;
}

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return isStorableText(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, member]) => isStorableText(key) && isStorable(member));
}
