// Limits the memory of file parts on their way to S3 in this process, and shares it between networks when it is short.
import { finished, type Readable } from 'node:stream';
import { lineGroup } from '../../shared/logging/request-context.js';
import { UploadMemory } from './upload-memory.js';

export interface PartLimits {
  /** Of all parts together. It must hold several parts. */
  maxBytes: number;
  /** A part that has been filling for longer, milliseconds, is slow. */
  slowMs: number;
  /** Maximum wait for memory, milliseconds. */
  waitMs: number;
}

export const PART_LIMITS: PartLimits = { maxBytes: 256 * 2 ** 20, slowMs: 10_000, waitMs: 60_000 };

/** Slow parts and long waits are looked for this often while an upload waits, milliseconds. */
const CHECK_MS = 500;

/** `statusCode`: the status of the response. The client may send the file again. */
export class PartMemoryFullError extends Error {
  readonly statusCode = 503;

  constructor(reason: string) {
    super(`The memory for parts of files is used up: ${reason}.`);
    this.name = 'PartMemoryFullError';
  }
}

interface Waiter {
  readonly upload: UploadMemory;
  readonly bytes: number;
  readonly since: number;
  readonly enter: () => void;
  readonly leave: (error: Error) => void;
}

/**
 * An upload that finds no memory waits, and its client with it: parts that are being sent, and parts that fill fast, free theirs
 * soon. Parts of slow clients do not. So while an upload waits, slow parts are refused: the oldest one of the network that has
 * the most bytes in slow parts. Of the waiting uploads, one of the network that holds the least memory is next.
 */
export class PartMemory {
  private readonly uploads = new Set<UploadMemory>();
  /** In order of arrival. */
  private readonly waiting = new Set<Waiter>();
  private used = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly limits = PART_LIMITS) {}

  get usedBytes(): number {
    return this.used;
  }

  /** Runs an upload of `source`. All its memory is free again when `work` has ended, however it ends. */
  async run<T>(source: Readable, work: (memory: UploadMemory) => Promise<T>): Promise<T> {
    const take = (bytes: number): Promise<void> => this.take(upload, bytes);
    const upload = new UploadMemory(source, lineGroup(), take, (bytes) => this.free(bytes));
    this.uploads.add(upload);
    try {
      return await work(upload);
    } finally {
      this.uploads.delete(upload);
      const ended = new Error('The upload has ended.');
      this.dismissWaits(upload, ended);
      this.free(upload.close(ended));
    }
  }

  private async take(upload: UploadMemory, bytes: number): Promise<void> {
    if (this.waiting.size > 0 || !this.hasSpaceFor(bytes)) await this.wait(upload, bytes);
    else this.grant(upload, bytes);
  }

  private free(bytes: number): void {
    this.used -= bytes;
    this.serve();
  }

  private hasSpaceFor(bytes: number): boolean {
    return this.used + bytes <= this.limits.maxBytes;
  }

  private grant(upload: UploadMemory, bytes: number): void {
    this.used += bytes;
    upload.grant(bytes);
  }

  private async wait(upload: UploadMemory, bytes: number): Promise<void> {
    const since = performance.now();
    let unlisten = (): void => undefined;
    const turn = new Promise<void>((enter, leave) => {
      const waiter = { upload, bytes, since, enter, leave };
      this.waiting.add(waiter);
      unlisten = finished(upload.source, { writable: false }, (error) => {
        if (error && this.waiting.has(waiter)) this.dismiss(waiter, error);
      });
    });
    upload.isWaiting = true;
    this.serve();
    await turn.finally(unlisten);
  }

  /** Lets waiting uploads go on as far as there is memory, for which it refuses slow ones. */
  private serve(): void {
    clearTimeout(this.timer);
    for (let next = this.next(); next; next = this.next()) {
      if (this.hasSpaceFor(next.bytes)) {
        this.end(next);
        this.grant(next.upload, next.bytes);
        next.enter();
      } else if (!this.refuseSlow(next.upload))
        return void (this.timer = setTimeout(() => this.serve(), CHECK_MS).unref());
    }
  }

  /** Returns the next waiting upload. Dismisses those that have waited too long. */
  private next(): Waiter | undefined {
    const held = sumsOf(this.uploads, ({ heldBytes }) => heldBytes);
    const heldBy = ({ upload }: Waiter): number => held.get(upload.network) ?? 0;
    let next: Waiter | undefined;
    for (const waiter of this.waiting) {
      if (performance.now() - waiter.since >= this.limits.waitMs)
        this.dismiss(waiter, new PartMemoryFullError('none became free in time'));
      else if (!next || heldBy(waiter) < heldBy(next)) next = waiter;
    }
    return next;
  }

  /**
   * Returns false when no upload is slow. All of them count as slow when they wait for each other, and so do those of another
   * network than that of `next` whose parts fill more than half of the memory.
   */
  private refuseSlow(next: UploadMemory): boolean {
    const uploads = [...this.uploads].filter(({ fillingBytes }) => fillingBytes > 0);
    const areStuck = ![...this.uploads].some(({ isMoving }) => isMoving);
    const filling = sumsOf(uploads, ({ fillingBytes }) => fillingBytes);
    const before = performance.now() - this.limits.slowMs;
    const slow = uploads.filter(({ network, isWaiting, startedAt }) => {
      if (areStuck || (!isWaiting && startedAt <= before)) return true;
      return network !== next.network && (filling.get(network) ?? 0) > this.limits.maxBytes / 2;
    });
    const sums = sumsOf(slow, ({ fillingBytes }) => fillingBytes);
    const sumOf = ({ network }: UploadMemory): number => sums.get(network) ?? 0;
    const [refused] = slow.sort((a, b) => sumOf(b) - sumOf(a) || a.startedAt - b.startedAt);
    if (!refused) return false;
    const error = new PartMemoryFullError('other uploads need it, and this one was slow');
    this.used -= refused.refuse(error);
    this.dismissWaits(refused, error);
    return true;
  }

  private dismissWaits(upload: UploadMemory, error: Error): void {
    for (const waiter of this.waiting) if (waiter.upload === upload) this.dismiss(waiter, error);
  }

  private dismiss(waiter: Waiter, error: Error): void {
    this.end(waiter);
    waiter.leave(error);
  }

  private end(waiter: Waiter): void {
    const { upload, since } = waiter;
    this.waiting.delete(waiter);
    upload.isWaiting = false;
    upload.startedAt += performance.now() - since; // meanwhile the client could not go on
  }
}

function sumsOf(uploads: Iterable<UploadMemory>, bytesOf: (upload: UploadMemory) => number): Map<string, number> {
  const sums = new Map<string, number>();
  for (const upload of uploads) sums.set(upload.network, (sums.get(upload.network) ?? 0) + bytesOf(upload));
  return sums;
}
