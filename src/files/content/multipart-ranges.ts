// Several ranges of a file in one answer: multipart/byteranges (RFC 9110, 14.6).
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ByteRange } from '../../storage/file-storage.js';

export interface MultipartRanges {
  contentType: string;
  /** Bytes. */
  length: number;
  stream: Readable;
}

/** Returns the answer's body. Calls `open` for one range after the other. */
export function multipartRanges(
  ranges: readonly ByteRange[],
  { size, contentType }: { size: number; contentType: string },
  open: (range: ByteRange) => Promise<Readable>,
): MultipartRanges {
  const boundary = randomBytes(18).toString('hex');
  const heads = ranges.map(({ start, end }, index) =>
    Buffer.from(
      `${index === 0 ? '' : '\r\n'}--${boundary}\r\nContent-Type: ${contentType}\r\nContent-Range: bytes ${start}-${end}/${size}\r\n\r\n`,
    ),
  );
  const tail = Buffer.from(`\r\n--${boundary}--\r\n`);
  async function* body(): AsyncGenerator<Buffer> {
    for (const [index, range] of ranges.entries()) {
      yield heads[index] as Buffer;
      yield* (await open(range)) as AsyncIterable<Buffer>; // destroyed when the reader stops
    }
    yield tail;
  }
  const framing = heads.reduce((sum, head) => sum + head.length, tail.length);
  return {
    contentType: `multipart/byteranges; boundary=${boundary}`,
    length: framing + ranges.reduce((sum, { start, end }) => sum + end - start + 1, 0),
    stream: Readable.from(body(), { objectMode: false }),
  };
}
