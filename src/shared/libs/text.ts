// Text as the project stores and compares it: which text is accepted, its one normal form, and LIKE patterns.

/** What Unicode's Stream-Safe Text Format allows on one character (UAX #15, section 13); no language needs a third of it. */
export const MAX_MARKS = 30;

/** Whatever normalization may move: marks, and the half-width kana voicing marks, which are letters until NFKD. */
const MARK = '[\\p{M}\\uff9e\\uff9f]';

/** The look-behind keeps this linear: a run of marks is read from its start only. */
const TOO_MANY_MARKS = new RegExp(`(?<!${MARK})${MARK}{${MAX_MARKS + 1}}`, 'u');

/** A character of UTF-16 length 1 has at most 4 units in decomposed form, so trimmed and composed text fits into this. */
const MAX_RAW_UNITS_PER_CHARACTER = 4;

/** True when the string has no NUL, which PostgreSQL refuses, and no lone surrogate, which it silently turns into U+FFFD. */
export function isStorableText(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

/** False when more than 30 combining marks follow each other. Linear. */
export function isStreamSafe(text: string): boolean {
  return !TOO_MANY_MARKS.test(text);
}

/**
 * The only place that normalizes: `String.prototype.normalize` sorts each run of combining marks in quadratic time, so
 * 512 KiB of them would block the event loop for a minute. Text with longer runs than `isStreamSafe` allows comes back
 * unchanged; the caller refuses it, or keeps it as it is. `text` has no lone surrogates.
 */
export function normalize(text: string, form: 'NFC' | 'NFKC' | 'NFD' | 'NFKD' = 'NFC'): string {
  return isStreamSafe(text) ? text.normalize(form) : text;
}

/**
 * Text as it is stored: in normal form C, without blanks at both ends. Text that cannot be stored, or is far longer than
 * `max` code points, comes back unchanged: nothing works on it before the caller's length rule refuses it.
 */
export function cleanText(raw: string, max: number): string {
  if (raw.length > max * MAX_RAW_UNITS_PER_CHARACTER || !isStorableText(raw)) return raw;
  return normalize(raw).trim();
}

/** RFC 5321, as its erratum 1690 has it. */
export const MAX_EMAIL = 254;

/** An e-mail address as it is stored and compared: as `cleanText`, and in lower case. */
export function cleanEmail(raw: string): string {
  const text = cleanText(raw, MAX_EMAIL);
  return hasAtMost(MAX_EMAIL, text) ? text.toLowerCase() : text;
}

/** Whether the text has at most `max` code points, as PostgreSQL counts. Reads no more of the text than it has to. */
export function hasAtMost(max: number, text: string): boolean {
  return text.length <= max || (text.length <= 2 * max && [...text].length <= max);
}

/** Whether the text has at least `min` code points. Reads no more of the text than it has to. */
export function hasAtLeast(min: number, text: string): boolean {
  return text.length >= 2 * min || [...text].length >= min;
}

/** Escapes `%`, `_` and `\` so that user text matches literally inside a LIKE pattern. */
export function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, (char) => `\\${char}`);
}
