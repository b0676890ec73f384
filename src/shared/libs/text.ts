// Text as the project stores and compares it: which text is accepted, its one normal form, and LIKE patterns.
import { domainToASCII } from 'node:url';
import { isEmail } from 'class-validator';

/** What Unicode's Stream-Safe Text Format allows on one character (UAX #15, section 13); no language needs a third of it. */
export const MAX_MARKS = 30;

/** Whatever normalization may move: marks, and the half-width kana voicing marks, which are letters until NFKD. */
const MARK = /^[\p{M}\uff9e\uff9f]$/u;

/** Texts of the first 768 characters alone, with no mark among them, are most of all. */
const MAY_HAVE_MARKS = /[\u0300-\uffff]/;

/** Which of 256 characters each are marks, made when the first of them is met: five times as fast as the pattern. */
const markPages = new Array<Uint8Array | undefined>(0x1100).fill(undefined); // in full: a sparse array is five times as slow

/** A character of UTF-16 length 1 has at most 4 units in decomposed form, so trimmed and composed text fits into this. */
const MAX_RAW_UNITS_PER_CHARACTER = 4;

/** True when the string has no NUL, which PostgreSQL refuses, and no lone surrogate, which it silently turns into U+FFFD. */
export function isStorableText(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

/** False when more than 30 combining marks follow each other. Linear: some milliseconds for a million, none for Latin letters. */
export function isStreamSafe(text: string): boolean {
  if (text.length <= MAX_MARKS || !MAY_HAVE_MARKS.test(text)) return true;
  let run = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.codePointAt(at) as number;
    if (code > 0xffff) at++;
    if (!isMark(code)) run = 0;
    else if (++run > MAX_MARKS) return false;
  }
  return true;
}

function isMark(code: number): boolean {
  const page = (markPages[code >> 8] ??= Uint8Array.from({ length: 256 }, (_, at) =>
    Number(MARK.test(String.fromCodePoint((code & ~255) + at))),
  ));
  return page[code & 255] === 1;
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

/** Control characters, and Unicode's two separators of lines: in one line they break logs, headers and tables. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/**
 * Nothing is drawn for these, or they turn the direction of others. What Unicode has no property for: the empty braille
 * pattern and note head, the blanks among hieroglyphs, and the Khitan filler.
 */
const UNSEEN = String.raw`\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u{16fe4}\u2028\u2029\u2800\u{1d159}\u{13441}\u{13442}`;
const HIDDEN = new RegExp(`[${UNSEEN}]`, 'u');
const VISIBLE = new RegExp(`[^\\p{White_Space}${UNSEEN}]`, 'u');

/** False when a control character or a line break is in it. */
export function isSingleLine(text: string): boolean {
  return !CONTROL.test(text);
}

/** False when a character is in it that nobody sees: text that identifies somebody has none, whatever it is needed for. */
export function hasNoHidden(text: string): boolean {
  return !HIDDEN.test(text);
}

/** Whether there is anything to be seen. Joiners inside of emoji, and such, may stand beside it. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/**
 * An e-mail address as it is stored and compared: as `cleanText`, in lower case, its domain in ASCII (IDNA, UTS #46), so
 * that `müller.de` and `xn--mller-kva.de` are one. What no domain can be made of stays for `isEmailAddress` to refuse.
 */
export function cleanEmail(raw: string): string {
  const text = cleanText(raw, MAX_EMAIL);
  if (!hasAtMost(MAX_EMAIL, text)) return text;
  const address = normalize(text.toLowerCase()); // J\u030c has no composed form, j\u030c has
  const at = address.lastIndexOf('@') + 1;
  const domain = address.slice(at);
  // No domain has either, but domainToASCII would decode the one and drop the other.
  if (domain.includes('%') || !hasNoHidden(domain)) return address;
  return address.slice(0, at) + (domainToASCII(domain) || domain);
}

/** Of an address that `cleanEmail` has returned. */
export function isEmailAddress(text: string): boolean {
  const domain = text.slice(text.lastIndexOf('@') + 1);
  return isEmail(text) && domainToASCII(domain) === domain;
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
