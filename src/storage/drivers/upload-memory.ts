// The memory of one upload to S3: one part that its client fills, and full parts that are being sent.
import type { Readable } from 'node:stream';

export class UploadMemory {
  /** Start of the part that is being filled, without the waits for memory, of `performance.now()`. */
  startedAt = 0;
  /** True while the upload waits for memory, and its client for the upload. */
  isWaiting = false;
  private filling = 0;
  private full = 0;
  private refusal: Error | undefined;

  /** `take` resolves when the upload has so much more memory, which `grant` has added; `free` returns it to all uploads. */
  constructor(
    readonly source: Readable,
    readonly network: string,
    private readonly take: (bytes: number) => Promise<void>,
    private readonly free: (bytes: number) => void,
  ) {}

  get fillingBytes(): number {
    return this.filling;
  }

  get heldBytes(): number {
    return this.filling + this.full;
  }

  /** True when some of the memory becomes free without memory for this upload. */
  get isMoving(): boolean {
    return this.full > 0 || (this.filling > 0 && !this.isWaiting);
  }

  /** Resolves when the part that is being filled may have `bytes`. Throws PartMemoryFullError, and the error of the source. */
  async growTo(bytes: number): Promise<void> {
    this.expectAccepted();
    if (this.filling === 0) this.startedAt = performance.now();
    await this.take(bytes - this.filling);
    this.expectAccepted();
  }

  /**
   * Call it when the part is full: from now on its memory no longer depends on the client. Returns a function that frees it.
   * Throws PartMemoryFullError.
   */
  fill(): () => void {
    this.expectAccepted();
    const bytes = this.filling;
    this.filling = 0;
    this.full += bytes;
    let isFree = false;
    return () => {
      if (isFree || this.full === 0) return; // at the end of the upload all is freed
      isFree = true;
      this.full -= bytes;
      this.free(bytes);
    };
  }

  /** Called by PartMemory. */
  grant(bytes: number): void {
    this.filling += bytes;
  }

  /** Called by PartMemory: ends the upload with `error`, also when its source is idle. Returns how many bytes that frees at once. */
  refuse(error: Error): number {
    const bytes = this.filling;
    this.filling = 0;
    this.refusal = error;
    this.source.destroy(error);
    return bytes;
  }

  /** Called by PartMemory at the end: from now on `growTo` and `fill` throw `error`. Returns how many bytes that frees. */
  close(error: Error): number {
    const bytes = this.heldBytes;
    this.filling = this.full = 0;
    this.refusal ??= error;
    return bytes;
  }

  private expectAccepted(): void {
    if (this.refusal) throw this.refusal;
  }
}
