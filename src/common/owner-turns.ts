// Makes requests that need the same lock of one owner wait in this process, where a waiting request holds no connection.
import type { Transaction } from '../shared/database/transaction.js';
import { Semaphore, SemaphoreFullError } from '../shared/libs/semaphore.js';
import { unavailable } from './http/filters/to-problem.js';

const MAX_WAIT_MS = 10_000;

interface Line {
  semaphore: Semaphore;
  /** The number of running and waiting pieces of work. */
  count: number;
}

/**
 * PostgreSQL runs the work of one owner one at a time anyway, because of the lock. Without turns, each request that waits for
 * the lock holds a connection of the pool, and a few requests of one user take the connections of all others.
 */
export class OwnerTurns {
  private readonly lines = new Map<string, Line>();

  constructor(private readonly transaction: Transaction) {}

  /** Runs `work` after the earlier work of the same key. Throws SERVICE_UNAVAILABLE when the wait takes too long. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.transaction.isRunning) return work(); // it has its connection, and may hold the lock already
    const line = this.lines.get(key) ?? { semaphore: new Semaphore(1, Infinity, MAX_WAIT_MS), count: 0 };
    this.lines.set(key, line);
    line.count++;
    try {
      return await line.semaphore.run(work);
    } catch (error) {
      throw error instanceof SemaphoreFullError ? unavailable() : error;
    } finally {
      if (--line.count === 0) this.lines.delete(key);
    }
  }
}
