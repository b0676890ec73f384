// Determines the media type of bytes: from the bytes themselves, then from the claims that they do not contradict.
import { isAscii } from 'node:buffer';
import { isKindOf, mayBeBinary, mayBeText, typeByExtension } from './known-types.js';
import { typeOfMarkup } from './markup.js';
import { type ReadableText, readText } from './readable-text.js';
import { signatureOf, SNIFFED_BYTES } from './signatures.js';

export { SNIFFED_BYTES };
export const UNKNOWN_TYPE = 'application/octet-stream';

/** The uploader's claims about the bytes. */
export interface Claims {
  /** A plain `type/subtype`. */
  declaredType: string;
  /** Name of the file: its extension counts when the declared type says nothing or cannot be right. */
  name?: string | undefined;
}

export interface KnownType {
  mediaType: string;
  /** `utf-8`, `utf-16` or `utf-32`; null: not text, or text whose encoding cannot be known. */
  charset: string | null;
}

/** Signatures of text-based formats, stricter than those of file-type. */
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

/** `head`: the first SNIFFED_BYTES, or all bytes when `isWhole`. */
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

/** In plain text only the signature of a text format counts: other signatures may be the letters of a word. */
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
