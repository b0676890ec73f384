// What comes from a client, taken in portions. That it breaks off is told afterwards: what has come is kept.
import type { Readable } from 'node:stream';

export class ArrivingBytes {
  /** Why there is no more, when that was not the end. */
  failure: Error | undefined;
  private readonly chunks: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(source: Readable) {
    this.chunks = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Waits for the next byte. */
  async hasMore(): Promise<boolean> {
    try {
      while (this.rest.length === 0) {
        const next = await this.chunks.next();
        if (next.done === true) return false;
        this.rest = next.value;
      }
      return true;
    } catch (error) {
      this.failure ??= error as Error;
      return false;
    }
  }

  /** The next `most` bytes, or all that come. */
  async *take(most: number): AsyncGenerator<Buffer> {
    for (let left = most; left > 0 && (await this.hasMore());) {
      const piece = this.rest.subarray(0, left);
      this.rest = this.rest.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }
}
