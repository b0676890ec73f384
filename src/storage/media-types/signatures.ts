// The type that bytes show by their signature: what file-type finds, where it is right.
import { fileTypeFromBuffer, supportedMimeTypes } from 'file-type';

/** As many bytes as file-type looks at. */
export const SNIFFED_BYTES = 4_100;

/** Signatures that suffice: file-type finds nothing where the structure after them is cut off, or damaged. */
const BEGINNINGS: ReadonlyArray<[type: string, begins: RegExp]> = [
  ['image/png', /^\x89PNG\r\n\cZ\n/],
  ['image/tiff', /^(II\*\0|MM\0\*)/],
  ['audio/mpeg', /^ID3[^ -~\s]/],
];

/** What file-type takes for these has a signature that other files have too; null: never theirs. */
const CORRECTIONS = new Map<string, (start: string) => string | undefined>([
  ['application/x-apple-diskimage', () => undefined], // two bytes with which zlib begins; a disk image has its mark at its end
  ['audio/mpeg', (start) => (start.startsWith('\xFF\xFE') ? undefined : 'audio/mpeg')], // a byte order mark, rather than layer I
  ['audio/aiff', (start) => (/^FORM[^]{4}AIF[FC]/.test(start) ? 'audio/aiff' : undefined)], // IFF holds more than sound
  ['image/heif', (start) => (/^[^]{8}mif1[^]{4}([^]{4})*avif/.test(start) ? 'image/avif' : 'image/heif')],
]);

/** Types that bytes without their signature may have all the same. */
const UNSIGNED = new Set(['application/xml', 'application/x-apple-diskimage', 'model/stl']);

/** Undefined when there is none that is known. `head`: the first SNIFFED_BYTES, or all. */
export async function signatureOf(head: Buffer): Promise<string | undefined> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined); // cut off in the middle of a structure
  const start = head.toString('latin1', 0, 64);
  if (!found) return BEGINNINGS.find(([, begins]) => begins.test(start))?.[0];
  const type = found.mime.split(';', 1)[0] as string;
  const correct = CORRECTIONS.get(type);
  return correct ? correct(start) : type;
}

/** Whether bytes of this type always show it by a signature. */
export function hasSignature(type: string): boolean {
  if (/^(?:image|audio|video|font)\//.test(type)) return true;
  return !type.startsWith('text/') && !UNSIGNED.has(type) && supportedMimeTypes.has(type);
}
