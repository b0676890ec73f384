// Text rules for storage and comparison: the accepted text, its normal form, and LIKE patterns.
import { domainToASCII, domainToUnicode } from 'node:url';
import { isEmail } from 'class-validator';

/** The limit of Unicode's Stream-Safe Text Format for marks on one character (UAX #15, 13). No language needs a third of it. */
export const MAX_MARKS = 30;

/** Characters that normalization may reorder: marks, and the half-width kana voicing marks, which are letters until NFKD. */
const MARK = /^[\p{M}\uff9e\uff9f]$/u;

/** Most texts consist of the first 768 characters only; there are no marks among these. */
const MAY_HAVE_MARKS = /[\u0300-\uffff]/;

/** For each page of 256 characters, which of them are marks. Built at first use; five times as fast as the pattern. */
const markPages = new Array<Uint8Array | undefined>(0x1100).fill(undefined); // a sparse array is five times as slow

/** A composed character of UTF-16 length 1 has at most 4 units in decomposed form, so raw text of this length may still fit. */
const MAX_RAW_UNITS_PER_CHARACTER = 4;

/** True when the text has no NUL, which PostgreSQL refuses, and no lone surrogate, which it silently stores as U+FFFD. */
export function isStorableText(value: string): boolean {
  return !value.includes('\0') && value.isWellFormed();
}

/** False when more than 30 combining marks follow each other. Linear: milliseconds for a million marks, none for Latin text. */
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
 * Normalizes `text`; no other code may do so. `String.prototype.normalize` sorts each run of combining marks in quadratic
 * time, so 512 KiB of them would block the event loop for a minute. Text with longer runs than `isStreamSafe` allows is
 * returned unchanged; the caller refuses it or keeps it as it is. `text` must have no lone surrogates.
 */
export function normalize(text: string, form: 'NFC' | 'NFKC' | 'NFD' | 'NFKD' = 'NFC'): string {
  return isStreamSafe(text) ? text.normalize(form) : text;
}

/**
 * Returns text as it is stored: in NFC, trimmed at both ends. Text that cannot be stored, or is far longer than `max` code
 * points, is returned unchanged: no work is spent on it before the caller's length rule refuses it.
 */
export function cleanText(raw: string, max: number): string {
  if (raw.length > max * MAX_RAW_UNITS_PER_CHARACTER || !isStorableText(raw)) return raw;
  return normalize(raw).trim();
}

/** The limit of RFC 5321 as corrected by its erratum 1690. */
export const MAX_EMAIL = 254;

/** Control characters and Unicode's two line separators: in single-line text they break logs, headers and tables. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/**
 * Characters that are not drawn or that change the direction of others. Those without a Unicode property are listed: the
 * empty braille pattern and note head, the blanks among hieroglyphs, and the Khitan filler.
 */
const UNSEEN = String.raw`\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u{16fe4}\u2028\u2029\u2800\u{1d159}\u{13441}\u{13442}`;
const HIDDEN = new RegExp(`[${UNSEEN}]`, 'u');
const VISIBLE = new RegExp(`[^\\p{White_Space}${UNSEEN}]`, 'u');

/** False when the text contains a control character or a line break. */
export function isSingleLine(text: string): boolean {
  return !CONTROL.test(text);
}

/** False when the text contains an invisible character. Identifying text must have none, even where a script uses them. */
export function hasNoHidden(text: string): boolean {
  return !HIDDEN.test(text);
}

/** True when the text has at least one visible character. Invisible ones, e.g. joiners inside emoji, may stand beside it. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text);
}

/**
 * Returns an e-mail address as it is stored and compared: like `cleanText`, in lower case, with the domain in ASCII (IDNA,
 * UTS #46), so that `müller.de` and `xn--mller-kva.de` are equal. An invalid domain stays; `isEmailAddress` refuses it.
 */
export function cleanEmail(raw: string): string {
  const text = cleanText(raw, MAX_EMAIL);
  if (!hasAtMost(MAX_EMAIL, text)) return text;
  const address = normalize(text.toLowerCase()); // J\u030c has no composed form, but j\u030c has
  const at = address.lastIndexOf('@') + 1;
  const domain = address.slice(at);
  // No valid domain contains either, but domainToASCII would decode `%` and drop hidden characters.
  if (domain.includes('%') || !hasNoHidden(domain)) return address;
  return address.slice(0, at) + (domainToASCII(domain) || domain);
}

/** A label that is no valid Punycode stays as it is in Unicode; Node 24 accepts it in ASCII, older ones do not. */
const UNDECODED = /(?:^|\.)xn--/;

/** True for a valid address. Expects an address that `cleanEmail` returned. */
export function isEmailAddress(text: string): boolean {
  const domain = text.slice(text.lastIndexOf('@') + 1);
  return isEmail(text) && domainToASCII(domain) === domain && !UNDECODED.test(domainToUnicode(domain));
}

/** True when the text has at most `max` code points, as PostgreSQL counts. Reads no more of the text than necessary. */
export function hasAtMost(max: number, text: string): boolean {
  return text.length <= max || (text.length <= 2 * max && [...text].length <= max);
}

/** True when the text has at least `min` code points. Reads no more of the text than necessary. */
export function hasAtLeast(min: number, text: string): boolean {
  return text.length >= 2 * min || [...text].length >= min;
}

/** Escapes `%`, `_` and `\` so that user text matches literally inside a LIKE pattern. */
export function escapeLike(value: string): string {
  return value.replace(/[\\%_]/g, (char) => `\\${char}`);
}
