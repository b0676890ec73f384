// Counts and hashes what flows through it, and stops what is too much.
import { createHash } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';
import { FileErrors } from '../files.errors.js';
import type { WrittenBytes } from './file-storage.js';

export class Meter extends Transform {
  private readonly hash = createHash('sha256');
  private size = 0;

  constructor(private readonly maxBytes: number) {
    super();
  }

  /** Once, after the end. */
  result(): WrittenBytes {
    return { size: this.size, sha256: this.hash.digest('hex') };
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.size += chunk.length;
    if (this.size > this.maxBytes) return done(FileErrors.TOO_LARGE(this.maxBytes));
    this.hash.update(chunk);
    done(null, chunk);
  }
}
