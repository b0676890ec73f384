// A stream that counts and hashes the bytes passing through, detects their type, and refuses them by rules.
import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { type Claims, type KnownType, mediaTypeOf, SNIFFED_BYTES, UNKNOWN_TYPE } from '../media-types/media-type.js';

export interface Inspection extends KnownType {
  /** Number of bytes. */
  size: number;
  /** In hexadecimal. */
  sha256: string;
}

export interface Rules extends Claims {
  maxBytes: number;
  /** Creates the error to throw beyond `maxBytes`. */
  tooLarge: () => Error;
  /** Called with the type once it is known from the first `seenBytes`, before they are passed on; throws to refuse the type. */
  expectType?: (mediaType: string, seenBytes: number) => void;
}

export class Inspector extends Transform {
  private readonly hash = createHash('sha256');
  private size = 0;
  private type: KnownType = { mediaType: UNKNOWN_TYPE, charset: null };
  /** The first bytes, held back until their type is known; null afterwards. */
  private head: Buffer[] | null = [];

  constructor(private readonly rules: Rules) {
    super();
  }

  /** Returns the result. Call it once, after the end of the stream. */
  result(): Inspection {
    return { size: this.size, sha256: this.hash.digest('hex'), ...this.type };
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.size += chunk.length;
    if (this.size > this.rules.maxBytes) return done(this.rules.tooLarge());
    this.hash.update(chunk);
    if (this.head === null) return done(null, chunk);
    this.head.push(chunk);
    if (this.size <= SNIFFED_BYTES) return done();
    this.release(this.head, false, done);
  }

  override _flush(done: TransformCallback): void {
    if (this.head === null) return done();
    this.release(this.head, true, done);
  }

  private release(held: Buffer[], isWhole: boolean, done: TransformCallback): void {
    this.head = null;
    const head = Buffer.concat(held);
    mediaTypeOf(head.subarray(0, SNIFFED_BYTES), this.rules, isWhole)
      .then((type) => {
        this.type = type;
        this.rules.expectType?.(type.mediaType, head.length);
        done(null, head.length > 0 ? head : undefined);
      })
      .catch((error: unknown) => done(error as Error));
  }
}
