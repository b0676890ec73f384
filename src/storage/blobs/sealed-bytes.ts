// Encrypts a file at rest with AES-256-GCM in chunks, each verified separately, so that any part can be read alone.
// This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015): a nonce contains the chunk's number and
// whether it is the last one, so that chunks cannot be cut off, omitted, repeated or reordered.
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { ByteBuffer } from '../../shared/libs/byte-buffer.js';
import type { ByteRange } from '../file-storage.js';

const CIPHER = 'aes-256-gcm';
/** Plain bytes in every chunk except the last. */
const CHUNK = 65_536;
const TAG = 16;

/** Encrypts a stream. `key`: 32 bytes, for this one file. An empty file is one empty chunk. */
export class Sealer extends Transform {
  private readonly rest = new ByteBuffer();
  private index = 0;

  constructor(private readonly key: Buffer) {
    super();
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.rest.add(bytes);
    while (this.rest.length > CHUNK) this.push(this.seal(this.rest.take(CHUNK), false)); // more follows: not the last one
    done();
  }

  override _flush(done: TransformCallback): void {
    done(null, this.seal(this.rest.take(this.rest.length), true));
  }

  private seal(chunk: Buffer, isLast: boolean): Buffer {
    const cipher = createCipheriv(CIPHER, this.key, nonce(this.index++, isLast));
    return Buffer.concat([cipher.update(chunk), cipher.final(), cipher.getAuthTag()]);
  }
}

/** The position of a part of the plain file in the encrypted file. */
export interface SealedPart {
  /** Range of the encrypted bytes: whole chunks. */
  range: ByteRange;
  /** Number of the first chunk. */
  first: number;
  /** Number of the file's last chunk. */
  last: number;
  /** Plain bytes before the part, in its first chunk. */
  skip: number;
  /** Plain bytes of the part. */
  length: number;
}

/** Returns the encrypted size of a file with `size` plain bytes. */
export function sealedSize(size: number): number {
  return size + Math.max(1, Math.ceil(size / CHUNK)) * TAG;
}

/** `size`: plain bytes of the whole file. Undefined `part`: the whole file. */
export function sealedPart(size: number, part?: ByteRange): SealedPart {
  const last = Math.max(0, Math.ceil(size / CHUNK) - 1);
  const { start, end } = part ?? { start: 0, end: size - 1 };
  const first = Math.floor(start / CHUNK);
  const sealedEnd = (Math.floor(Math.max(0, end) / CHUNK) + 1) * (CHUNK + TAG);
  return {
    range: { start: first * (CHUNK + TAG), end: Math.min(sealedEnd, sealedSize(size)) - 1 },
    ...{ first, last, skip: start - first * CHUNK, length: end - start + 1 },
  };
}

/** Decrypts the bytes of `part.range` into those of the part. Fails when they differ from the encrypted ones. */
export class Opener extends Transform {
  private readonly rest = new ByteBuffer();
  private index: number;
  private toSkip: number;
  private remaining: number;

  constructor(
    private readonly key: Buffer,
    private readonly part: SealedPart,
  ) {
    super();
    this.index = part.first;
    this.toSkip = part.skip;
    this.remaining = part.length;
  }

  override _transform(bytes: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.rest.add(bytes);
    try {
      while (this.rest.length >= CHUNK + TAG) this.open(this.rest.take(CHUNK + TAG));
      done();
    } catch (error) {
      done(new IntegrityError(error));
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      if (this.rest.length > 0) this.open(this.rest.take(this.rest.length));
      done(this.remaining > 0 ? new IntegrityError('it ends too early') : null);
    } catch (error) {
      done(new IntegrityError(error));
    }
  }

  private open(sealed: Buffer): void {
    const iv = nonce(this.index, this.index === this.part.last);
    const decipher = createDecipheriv(CIPHER, this.key, iv, { authTagLength: TAG }); // refuses shorter tags
    this.index++;
    decipher.setAuthTag(sealed.subarray(sealed.length - TAG));
    const chunk = Buffer.concat([decipher.update(sealed.subarray(0, sealed.length - TAG)), decipher.final()]);
    const wanted = chunk.subarray(this.toSkip, this.toSkip + this.remaining);
    this.toSkip = 0;
    this.remaining -= wanted.length;
    if (wanted.length > 0) this.push(wanted);
  }
}

/** The encrypted bytes were changed, or were encrypted with another key. */
export class IntegrityError extends Error {
  constructor(cause: unknown) {
    super('The sealed bytes are not those that were written.', { cause });
    this.name = 'IntegrityError';
  }
}

function nonce(index: number, isLast: boolean): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(index, 7);
  bytes[11] = isLast ? 1 : 0;
  return bytes;
}
