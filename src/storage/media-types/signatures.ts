// Detects the media type of bytes by their signature: the result of file-type, corrected where it is wrong.
import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type';

/** The number of bytes that file-type reads. */
export const SNIFFED_BYTES = 4_100;

/** Signatures that are sufficient alone: file-type finds nothing if the structure after them is cut off or damaged. */
const BEGINNINGS: ReadonlyArray<[type: string, begins: RegExp]> = [
  ['image/png', /^\x89PNG\r\n\cZ\n/],
  ['image/tiff', /^(II\*\0|MM\0\*)/],
  ['audio/mpeg', /^ID3[^ -~\s]/],
];

/** Types that file-type detects by signatures that other files share; undefined means that the type is not proven. */
const CORRECTIONS = new Map<string, (start: string) => string | undefined>([
  ['application/x-apple-diskimage', () => undefined], // also the start of zlib data; a disk image has its mark at its end
  ['audio/mpeg', (start) => (start.startsWith('\xFF\xFE') ? undefined : 'audio/mpeg')], // a byte order mark rather than layer I
  ['audio/aiff', (start) => (/^FORM[^]{4}AIF[FC]/.test(start) ? 'audio/aiff' : undefined)], // IFF contains more than sound
  ['image/heif', (start) => (/^[^]{8}mif1[^]{4}([^]{4})*avif/.test(start) ? 'image/avif' : 'image/heif')],
]);

/** Types that bytes may have even without a signature. */
const UNSIGNED = new Set(['application/xml', 'application/x-apple-diskimage', 'model/stl']);

/** Returns undefined without a known signature. `head`: the first SNIFFED_BYTES, or all bytes. */
export async function signatureOf(head: Buffer): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined); // cut off in the middle of a structure
  const start = head.toString('latin1', 0, 64);
  if (!found) return BEGINNINGS.find(([, begins]) => begins.test(start))?.[0];
  const type = found.mime.split(';', 1)[0] as string;
  const correct = CORRECTIONS.get(type);
  return correct ? correct(start) : type;
}

/** True when bytes of this type always have a signature. */
export function hasSignature(type: string): boolean {
  if (/^(?:image|audio|video|font)\//.test(type)) return true;
  return !type.startsWith('text/') && !UNSIGNED.has(type) && supportedMimeTypes.has(type);
}
