// Locks: one holder of a key in all processes, one after the other within this one.
import type { Transaction } from '../database/transaction.js';
import { Lease, type Grip, type Held } from './lock-lease.js';
import { lockBusy } from './lock.errors.js';

export interface LockOptions {
  /** How long the lock outlives a holder that died or froze, ms. Work may take longer: the lease is renewed. */
  ttl: number;
  /** How long to wait for a lock that is held, ms. */
  wait?: number;
}

const WAIT_MS = 10_000;
/** Redis may take 100 ms to answer, which must leave the time to ask again. */
const LEAST_TTL_MS = 150;
const HOUR_MS = 3_600_000;

/**
 * A lock saves double work; alone it makes nothing safe. A holder that froze or lost its network wakes up with somebody
 * else in its place, and no lock can call back what it has sent. Whatever must not happen twice is fenced: the row
 * remembers the highest fence that came near it and refuses smaller ones. Reading counts: `UPDATE … SET fence = $f WHERE
 * fence < $f RETURNING …` first, then the change `… WHERE fence = $f`; with a plain SELECT before `UPDATE … WHERE fence < $f`
 * the old holder can still write between the read and the write of the new one, whose write undoes that.
 *
 * Not reentrant: work that asks for its own key waits for itself.
 */
export abstract class LockService {
  /** Who waits in this process, by key; a key without waiters is there while it is held or asked for. */
  private readonly lines = new Map<string, Array<() => void>>();

  constructor(protected readonly transaction: Transaction) {}

  /**
   * Runs `work` while the lock is held, and gives what it gave. Throws LOCK_BUSY when the wait is over and LOCK_UNAVAILABLE
   * when the store does not answer; then `work` was not called.
   *
   * Throws LOCK_LOST when the lock was not ours to the end, even though `work` came to its end: somebody else may have
   * been at it, and whoever is told "done" builds on it. What `work` throws itself says more, and goes first. `work`
   * is waited for however long it goes on after `held.signal`: until then nobody else of this process comes in.
   */
  async withLock<T>(key: string, options: LockOptions, work: (held: Held) => Promise<T>): Promise<T> {
    const { ttl, wait = WAIT_MS } = options;
    expectBetween('ttl', ttl, LEAST_TTL_MS);
    expectBetween('wait', wait, 0);
    if (this.transaction.isRunning)
      throw new Error(
        'Open the transaction inside the work: around the lock, the next holder starts before the commit.',
      );
    const giveUpAt = performance.now() + wait;
    await this.comeIn(key, wait);
    try {
      const grip = await this.take(key, ttl, giveUpAt);
      return await new Lease(key, ttl, grip).during(work);
    } finally {
      this.goOut(key);
    }
  }

  /**
   * Takes the lock in the store, where it must outlive `ttl` from the last answer on. Asks at least once, and gives up at
   * `giveUpAt` (`performance.now()`). Throws LOCK_BUSY and LOCK_UNAVAILABLE.
   */
  protected abstract take(key: string, ttl: number, giveUpAt: number): Promise<Grip>;

  /** First come, first served; only the first asks the store, for however many there are. */
  private async comeIn(key: string, wait: number): Promise<void> {
    const line = this.lines.get(key);
    if (!line) return void this.lines.set(key, []);
    await new Promise<void>((resolve, reject) => {
      const enter = (): void => {
        clearTimeout(timer);
        resolve();
      };
      const timer = setTimeout(() => {
        line.splice(line.indexOf(enter), 1);
        reject(lockBusy(key));
      }, wait);
      line.push(enter);
    });
  }

  private goOut(key: string): void {
    const next = this.lines.get(key)?.shift();
    if (next) next();
    else this.lines.delete(key);
  }
}

/** Both stores take whole milliseconds; Redis would answer others with an error, which opens its breaker for the house. */
function expectBetween(name: string, ms: number, least: number): void {
  if (!Number.isInteger(ms) || ms < least || ms > HOUR_MS)
    throw new RangeError(`The ${name} of a lock is ${ms}: give whole milliseconds from ${least} to ${HOUR_MS}.`);
}
