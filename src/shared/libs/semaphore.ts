// Limits how many tasks run at once and how many may wait; rejects a task when the queue is full.

/** Thrown when the queue is full or the wait takes longer than `waitMs`. */
export class SemaphoreFullError extends Error {}

/** At most `permits` tasks run at once; at most `queue` tasks wait, each for at most `waitMs` milliseconds. */
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

  /** Resolves when a finished task passes on its permit. Throws SemaphoreFullError. */
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
