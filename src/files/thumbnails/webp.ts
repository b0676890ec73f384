// Validates the decoder's pictures byte by byte: a malicious image may control the decoder. Pure.

export interface Picture {
  /** WebP. */
  bytes: Buffer;
  /** Pixels. */
  width: number;
  height: number;
}

/** Parts of a still picture: no colour profile, no EXIF or XMP, no animation. */
const ALPHA_ONLY = 0x10;
const VP8_START = 0x2a019d;
const VP8L_START = 0x2f;

/** Reads a file that is exactly one still WebP picture (RFC 9649). Returns null for everything else. */
export function readWebp(bytes: Buffer): Picture | null {
  if (bytes.length < 20 || bytes.toString('latin1', 0, 4) !== 'RIFF' || bytes.toString('latin1', 8, 12) !== 'WEBP')
    return null;
  if (bytes.readUInt32LE(4) !== bytes.length - 8) return null;
  const chunks = chunksOf(bytes.subarray(12));
  const names = chunks?.map(({ name }) => name).join();
  const size = chunks && sizeOf(chunks.at(-1) as Chunk);
  if (!size) return null;
  if (names === 'VP8 ' || names === 'VP8L') return { bytes, ...size };
  if (names !== 'VP8X,ALPH,VP8 ' && names !== 'VP8X,VP8L' && names !== 'VP8X,VP8 ') return null;
  const { data } = chunks[0] as Chunk;
  const isPlain = data.length === 10 && (data[0] === ALPHA_ONLY || data[0] === 0);
  const isSame = isPlain && data.readUIntLE(4, 3) + 1 === size.width && data.readUIntLE(7, 3) + 1 === size.height;
  return isSame ? { bytes, ...size } : null;
}

interface Chunk {
  name: string;
  data: Buffer;
}

/** Returns null unless the chunks fill the bytes exactly. */
function chunksOf(bytes: Buffer): Chunk[] | null {
  const chunks: Chunk[] = [];
  for (let at = 0; at < bytes.length;) {
    if (bytes.length - at < 8) return null;
    const [start, length] = [at + 8, bytes.readUInt32LE(at + 4)];
    if (start + length > bytes.length) return null;
    chunks.push({ name: bytes.toString('latin1', at, at + 4), data: bytes.subarray(start, start + length) });
    at = start + length + (length % 2);
    if (at > bytes.length) return null;
  }
  return chunks;
}

/** Returns the size in a bitstream: lossy (RFC 6386, 9.1) or lossless (RFC 9649, 3.4). */
function sizeOf({ name, data }: Chunk): { width: number; height: number } | null {
  if (name === 'VP8 ' && data.length >= 10 && data.readUIntLE(3, 3) === VP8_START)
    return { width: data.readUInt16LE(6) & 0x3fff, height: data.readUInt16LE(8) & 0x3fff };
  if (name !== 'VP8L' || data.length < 5 || data[0] !== VP8L_START) return null;
  const bits = data.readUInt32LE(1);
  return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
}
