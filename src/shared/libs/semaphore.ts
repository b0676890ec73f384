// Limits how many tasks run at once and how many may wait; groups of callers take turns, and none can keep others out.
import { WaitQueue } from './wait-queue.js';

/** Thrown when the queue is full or the wait takes longer than `waitMs`. */
export class SemaphoreFullError extends Error {}

/** At most `permits` tasks run at once; at most `queue` tasks wait, each for at most `waitMs` milliseconds. */
export class Semaphore {
  private running = 0;
  private readonly waiting = new WaitQueue();

  constructor(
    private readonly permits: number,
    private readonly queue: number,
    private readonly waitMs: number,
  ) {}

  /**
   * Groups take turns, however many tasks of one group wait. When the queue is full, a task of a group with few waiting ones
   * takes the place of the newest one of the largest group, which is refused instead. Throws SemaphoreFullError, and what
   * `work` throws.
   */
  async run<T>(work: () => Promise<T>, group = ''): Promise<T> {
    if (this.running < this.permits) this.running++;
    else await this.turn(group);
    try {
      return await work();
    } finally {
      if (!this.waiting.next()) this.running--;
    }
  }

  /** Resolves when a finished task passes on its permit. Throws SemaphoreFullError. */
  private turn(group: string): Promise<void> {
    const full = (): Error => new SemaphoreFullError('queue is full');
    if (this.waiting.length >= this.queue && !this.waiting.displaceFor(group, full)) throw full();
    return this.waiting.waitAtMost(this.waitMs, () => new SemaphoreFullError(`waited ${this.waitMs} ms`), group);
  }
}

/** One semaphore for each key, which exists as long as work of the key runs or waits. The parameters are those of each one. */
export class KeyedSemaphore {
  private readonly semaphores = new Map<string, { semaphore: Semaphore; count: number }>();

  constructor(
    private readonly permits: number,
    private readonly queue: number,
    private readonly waitMs: number,
  ) {}

  /** Throws SemaphoreFullError, and what `work` throws. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    let entry = this.semaphores.get(key);
    if (!entry) {
      entry = { semaphore: new Semaphore(this.permits, this.queue, this.waitMs), count: 0 };
      this.semaphores.set(key, entry);
    }
    entry.count++;
    try {
      return await entry.semaphore.run(work);
    } finally {
      if (--entry.count === 0) this.semaphores.delete(key);
    }
  }
}
