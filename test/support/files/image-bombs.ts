// Small files with an expensive decoding: handmade images that attack a decoder.
import { constants, crc32, deflateRawSync } from 'node:zlib';

const MIB = 1_048_576;

type Bytes = Buffer<ArrayBuffer>;
const join = (...parts: Uint8Array[]): Bytes => Buffer.concat(parts);
const times = (part: Uint8Array, count: number): Bytes => Buffer.concat(Array<Uint8Array>(count).fill(part));
const text = (latin1: string): Bytes => Buffer.from(latin1, 'latin1');

function u32(value: number): Bytes {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** Returns a zlib stream of zeros without compressing them all: after a full flush the same bytes may repeat. */
export function zeros(count: number): Bytes {
  const [pieces, rest] = [Math.floor(count / MIB), count % MIB];
  const piece = deflateRawSync(Buffer.alloc(MIB), { finishFlush: constants.Z_FULL_FLUSH });
  const adler = u32((count % 65_521) * 65_536 + 1);
  return join(text('\x78\x9c'), times(piece, pieces), deflateRawSync(Buffer.alloc(rest)), adler);
}

const PNG_START = text('\x89PNG\r\n\x1a\n');

export function pngChunk(name: string, data: Uint8Array): Bytes {
  const body = join(text(name), data);
  return join(u32(data.length), body, u32(crc32(body)));
}

interface PngOptions {
  /** Bits per sample. */
  depth?: 1 | 8 | 16;
  colour?: 'grey' | 'rgba';
  isInterlaced?: boolean;
  /** Chunks before the pixels. */
  chunks?: Uint8Array[];
}

/** `pixels`: the zlib stream of the rows; default: black pixels of the declared size. */
export function png(width: number, height: number, options: PngOptions = {}, pixels?: Uint8Array): Bytes {
  const { depth = 1, colour = 'grey', isInterlaced = false, chunks = [] } = options;
  const row = 1 + Math.ceil((width * depth * (colour === 'grey' ? 1 : 4)) / 8);
  const shape = [depth, colour === 'grey' ? 0 : 6, 0, 0, isInterlaced ? 1 : 0];
  return join(
    PNG_START,
    pngChunk('IHDR', join(u32(width), u32(height), Buffer.from(shape))),
    ...chunks,
    pngChunk('IDAT', pixels ?? zeros(row * height)),
    pngChunk('IEND', Buffer.alloc(0)),
  );
}

/** Returns a text chunk that is small until it is decompressed. */
export const pngText = (bytes: number): Bytes => pngChunk('zTXt', join(text('Comment\0\0'), zeros(bytes)));
export const pngProfile = (bytes: number): Bytes => pngChunk('iCCP', join(text('icc\0\0'), zeros(bytes)));

/** Returns the JPEG with another declared size. */
export function jpegWithSize(jpeg: Uint8Array, width: number, height: number): Bytes {
  const bytes = Buffer.from(jpeg);
  const at = frameOf(bytes);
  bytes.writeUInt16BE(height, at + 5);
  bytes.writeUInt16BE(width, at + 7);
  return bytes;
}

/** Returns the progressive JPEG with its last scan repeated `scans` times. */
export function jpegOfScans(jpeg: Uint8Array, scans: number): Bytes {
  const bytes = Buffer.from(jpeg);
  const [last, end] = [bytes.lastIndexOf(Buffer.from([0xff, 0xda])), bytes.length - 2];
  const scan = bytes.subarray(last, end);
  return join(bytes.subarray(0, last), times(scan, scans), bytes.subarray(end));
}

/** Returns the offset of the frame marker (SOF0, SOF2). */
function frameOf(jpeg: Buffer): number {
  for (let at = 2; ; at += 2 + jpeg.readUInt16BE(at + 2)) if (jpeg[at + 1] === 0xc0 || jpeg[at + 1] === 0xc2) return at;
}

/** Returns a GIF of this size with one frame of another size, or with many frames of one pixel. */
export function gif(width: number, height: number, frame: { width: number; height: number; count?: number }): Bytes {
  const le = (value: number): number[] => [value & 255, value >> 8];
  const head = join(text('GIF89a'), Buffer.from([...le(width), ...le(height), 0x80, 0, 0, 0, 0, 0, 255, 255, 255]));
  const pixel = [2, 2, 0x44, 1, 0]; // one pixel and the end code
  const one = Buffer.from([0x2c, 0, 0, 0, 0, ...le(frame.width), ...le(frame.height), 0, ...pixel]);
  return join(head, times(one, frame.count ?? 1), text(';'));
}

/** Returns the lossy WebP with another declared size. */
export function webpWithSize(webp: Uint8Array, width: number, height: number): Bytes {
  const bytes = Buffer.from(webp);
  const at = bytes.indexOf(Buffer.from([0x9d, 0x01, 0x2a])) + 3;
  bytes.writeUInt16LE(width, at);
  bytes.writeUInt16LE(height, at + 2);
  return bytes;
}

/** Returns the AVIF with another declared size. */
export function avifWithSize(avif: Uint8Array, width: number, height: number): Bytes {
  const bytes = Buffer.from(avif);
  for (let at = bytes.indexOf('ispe'); at !== -1; at = bytes.indexOf('ispe', at + 1)) {
    bytes.writeUInt32BE(width, at + 8);
    bytes.writeUInt32BE(height, at + 12);
  }
  return bytes;
}

interface TiffPage {
  width: number;
  height: number;
}

/** Returns a TIFF of grey pages whose strips share the same 64 MiB of zeros. `loop`: the last page links to the first. */
export function tiff(pages: TiffPage[], { loop = false } = {}): Bytes {
  const strip = zeros(64 * MIB);
  const first = 8 + strip.length + (strip.length % 2);
  const length = 2 + 9 * 12 + 4;
  const directories = pages.map(({ width, height }, index) => {
    const next = index + 1 < pages.length ? first + (index + 1) * length : loop ? first : 0;
    return directory(
      [
        ...[[256, 4, width], [257, 4, height], [258, 3, 8], [259, 3, 8], [262, 3, 1]],
        ...[[273, 4, 8], [277, 3, 1], [278, 4, height], [279, 4, strip.length]],
      ],
      next,
    ); // prettier-ignore
  });
  const head = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(first, 4);
  return join(head, strip, Buffer.alloc(strip.length % 2), ...directories);
}

function directory(entries: number[][], next: number): Bytes {
  const bytes = Buffer.alloc(2 + entries.length * 12 + 4);
  bytes.writeUInt16LE(entries.length, 0);
  for (const [index, [tag = 0, type = 0, value = 0]] of entries.entries()) {
    const at = 2 + index * 12;
    bytes.writeUInt16LE(tag, at);
    bytes.writeUInt16LE(type, at + 2);
    bytes.writeUInt32LE(1, at + 4);
    bytes.writeUInt32LE(value, at + 8);
  }
  bytes.writeUInt32LE(next, bytes.length - 4);
  return bytes;
}
