// Reads a client's bytes in portions. An interruption is reported afterwards, so that the received bytes are kept.
import type { Readable } from 'node:stream';

export class ArrivingBytes {
  /** The error that interrupted the source; undefined at a regular end. */
  failure: Error | undefined;
  private readonly chunks: AsyncIterator<Buffer>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(source: Readable) {
    this.chunks = (source as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  /** Waits for the next byte. Returns false at the end, or after an interruption. */
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

  /** Yields the next `maxBytes` bytes, or fewer when the source ends. */
  async *take(maxBytes: number): AsyncGenerator<Buffer> {
    for (let remaining = maxBytes; remaining > 0 && (await this.hasMore());) {
      const chunk = this.rest.subarray(0, remaining);
      this.rest = this.rest.subarray(chunk.length);
      remaining -= chunk.length;
      yield chunk;
    }
  }
}
