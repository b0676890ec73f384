// Bounds how many run at once and how many may wait; whoever finds the queue full is refused, not stored.

/** Thrown when the queue is full or the wait is over. */
export class SemaphoreFullError extends Error {}

/** `permits` run at once, `queue` wait at most `waitMs` each. */
export class Semaphore {
  private running = 0;
  private readonly waiting: Array<() => void> = [];

  constructor(
    private readonly permits: number,
    private readonly queue: number,
    private readonly waitMs: number,
  ) {}

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.permits) this.running++;
    else await this.turn();
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }

  /** Resolves when a finishing run hands its permit over. */
  private turn(): Promise<void> {
    if (this.waiting.length >= this.queue) throw new SemaphoreFullError('queue is full');
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        this.waiting.splice(this.waiting.indexOf(enter), 1);
        reject(new SemaphoreFullError(`waited ${this.waitMs} ms`));
      }, this.waitMs);
      this.waiting.push(enter);
    });
  }
}
