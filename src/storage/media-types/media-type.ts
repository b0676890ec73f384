// What bytes are: first by what they show themselves, then by what is said of them, as far as they do not speak against it.
import { isAscii } from 'node:buffer';
import { isKindOf, mayBeBinary, mayBeText, typeByExtension } from './known-types.js';
import { typeOfMarkup } from './markup.js';
import { type ReadableText, readText } from './readable-text.js';
import { signatureOf, SNIFFED_BYTES } from './signatures.js';

export { SNIFFED_BYTES };
export const UNKNOWN_TYPE = 'application/octet-stream';

/** What is said of the bytes. */
export interface Claims {
  /** A plain `type/subtype`. */
  declaredType: string;
  /** Of the file: its extension counts where the declared type says nothing, or cannot be right. */
  name?: string | undefined;
}

export interface KnownType {
  mediaType: string;
  /** `utf-8`, `utf-16` or `utf-32`; null: not text, or text of which the encoding cannot be known. */
  charset: string | null;
}

/** Signatures of formats that are text themselves, more exactly than file-type looks for them. */
const TEXT_FORMATS = new Map([
  ['application/pdf', /^%PDF-\d/],
  ['application/postscript', /^%!PS/],
  ['application/eps', /^%!PS-Adobe-/],
  ['application/rtf', /^\{\\rtf[\d\\ ]/],
  ['text/calendar', /^BEGIN:VCALENDAR\s/],
  ['text/vcard', /^BEGIN:VCARD\s/],
  ['text/vtt', /^WEBVTT(\s|$)/],
  ['application/x-ms-regedit', /^(REGEDIT4|Windows Registry Editor Version 5\.00)\r\n/],
  ['application/pgp-encrypted', /^-----BEGIN PGP MESSAGE-----/],
  ['application/x-unix-archive', /^!<arch>\n/],
  ['model/stl', /^solid [^\n]*\n\s*(facet normal|endsolid)\s/],
]);

/** `head`: the first SNIFFED_BYTES of the bytes, or all: `isWhole`. */
export async function mediaTypeOf(
  head: Buffer,
  { declaredType, name = '' }: Claims,
  isWhole: boolean,
): Promise<KnownType> {
  const claims = [declaredType, typeByExtension(name) ?? UNKNOWN_TYPE].filter((type) => type !== UNKNOWN_TYPE);
  if (head.length === 0) return { mediaType: claims[0] ?? UNKNOWN_TYPE, charset: 'utf-8' };
  const text = readText(head, isWhole);
  const shown = shownBy(head, await signatureOf(head), text);
  const mediaType =
    shown === undefined
      ? claims.find((claim) => (text.isText ? mayBeText(claim, text.charset !== null) : mayBeBinary(claim)))
      : claims.find((claim) => isKindOf(claim, shown) || isXhtml(claim, shown, text));
  return { mediaType: mediaType ?? shown ?? UNKNOWN_TYPE, charset: text.charset };
}

/** Of plain text a signature counts only where it is that of a text format: others are letters with which a word may begin. */
function shownBy(head: Buffer, signature: string | undefined, text: ReadableText): string | undefined {
  const isWords = text.isPlain && (text.charset !== null || isAscii(head.subarray(0, 2)));
  if (signature === undefined || signature === 'application/xml' || (isWords && !isTextFormat(signature, text)))
    return typeOfMarkup(text.characters);
  return signature;
}

function isTextFormat(signature: string, { characters }: ReadableText): boolean {
  return TEXT_FORMATS.get(signature)?.test(characters) ?? false;
}

function isXhtml(claim: string, shown: string, { characters }: ReadableText): boolean {
  return (
    claim === 'application/xhtml+xml' && shown === 'text/html' && characters.includes('http://www.w3.org/1999/xhtml')
  );
}
