// What bytes are, by their own witness: signatures (file-type), and the marks by which browsers would take text for a page.
import { isUtf8 } from 'node:buffer';
import { fileTypeFromBuffer } from 'file-type';

/** As many as file-type looks at. */
export const SNIFFED_BYTES = 4_100;
export const UNKNOWN_TYPE = 'application/octet-stream';

/** Text that a browser would run, by the first tag in it (WHATWG MIME Sniffing, 7.1), whatever it was called. */
const ACTIVE_TAGS: ReadonlyArray<[type: string, tag: RegExp]> = [
  ['image/svg+xml', /^<(svg|!doctype svg)[\s>]/i],
  ['text/html', /^<(!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)[\s>/]/i],
];

/** What may stand before it, in this order, each any number of times. */
const PROLOG = [
  ['<?xml', '?>'],
  ['<!--', '-->'],
] as const;

const TIFF = /^(II\*\0|MM\0\*)/;

/** Bytes of these types would have shown it. */
const SHOWS_ITSELF =
  /^(?:image|audio|video|font)\/|^application\/(?:pdf|zip|gzip|x-7z-compressed|x-tar|vnd\.openxmlformats)/;
const IS_TEXT = /^text\/|[/+](?:json|xml|javascript|yaml|csv)$/;

/**
 * What the bytes show; where they show nothing, as plain text does not, what was declared, unless they speak against it.
 * `head`: the first SNIFFED_BYTES of them, or all.
 */
export async function mediaTypeOf(head: Buffer, declared: string): Promise<string> {
  const shown = head.length === 0 ? declared : await sniff(head);
  if (shown !== undefined) return shown;
  if (SHOWS_ITSELF.test(declared)) return UNKNOWN_TYPE;
  return IS_TEXT.test(declared) && !looksLikeText(head) ? UNKNOWN_TYPE : declared;
}

async function sniff(head: Buffer): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined); // cut off in the middle of a structure
  if (!found && TIFF.test(head.toString('latin1', 0, 4))) return 'image/tiff'; // what it tells of itself may stand at its end
  if (found && found.mime !== 'application/xml') return found.mime.split(';', 1)[0];
  const text = head.toString('utf8').replace(/^\uFEFF/, '');
  const tag = withoutProlog(text);
  const active = ACTIVE_TAGS.find(([, begins]) => begins.test(tag))?.[0] ?? found?.mime;
  if (active !== undefined) return active;
  if (text.trimStart().startsWith('<?xml')) return 'application/xml';
  return text.trimStart().startsWith('<!--') ? 'text/html' : undefined;
}

/** From the first tag on. Step by step, since a pattern for any number of comments may try every way to read them. */
function withoutProlog(text: string): string {
  let rest = text.trimStart();
  for (const [begin, end] of PROLOG)
    while (rest.startsWith(begin)) {
      const at = rest.indexOf(end, begin.length);
      if (at < 0) return '';
      rest = rest.slice(at + end.length).trimStart();
    }
  return rest;
}

/** UTF-8 without a NUL; the last character may be cut. */
function looksLikeText(head: Buffer): boolean {
  return !head.includes(0) && [0, 1, 2, 3].some((cut) => isUtf8(head.subarray(0, head.length - cut)));
}
