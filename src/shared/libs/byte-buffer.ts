// A byte buffer: takes chunks of any size and returns blocks of the requested size.

export class ByteBuffer {
  private chunks: Buffer[] = [];
  length = 0;

  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Removes and returns the first `length` bytes, copied at most once. */
  take(length: number): Buffer {
    const all = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks);
    this.chunks = length < all.length ? [all.subarray(length)] : [];
    this.length -= length;
    return all.subarray(0, length);
  }
}
