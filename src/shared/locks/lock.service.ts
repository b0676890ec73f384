// Locks: one holder of a key among all processes, in order of arrival within this one.
import type { Transaction } from '../database/transaction.js';
import { WaitingLine } from '../libs/waiting-line.js';
import { Lease, type Grip, type Held } from './lock-lease.js';
import { lockBusy } from './lock.errors.js';

export interface LockOptions {
  /** How long the lock stays held after its holder died or froze, ms. Work may take longer: the lease is renewed. */
  ttl: number;
  /** Maximum wait for a held lock, ms. */
  wait?: number;
}

const WAIT_MS = 10_000;
/** Redis may take 100 ms to answer; the rest must allow one more attempt. */
const MIN_TTL_MS = 150;
const HOUR_MS = 3_600_000;

/**
 * A lock avoids duplicate work; alone it guarantees nothing. A holder that froze or lost its network may wake up after the
 * next holder has started, and no lock can take back requests that it has sent. An action that must not happen twice needs
 * a fence: the row stores the highest fence that used it and refuses smaller ones. Reading counts too: first `UPDATE … SET
 * fence = $f WHERE fence < $f RETURNING …`, then the change `… WHERE fence = $f`. With a plain SELECT before `UPDATE …
 * WHERE fence < $f`, the old holder can still write between the new holder's read and write, and the new write undoes that.
 *
 * Not reentrant: work that requests its own key waits for itself.
 */
export abstract class LockService {
  /** The waiting callers in this process, by key. A key without waiting callers is present while it is held or requested. */
  private readonly lines = new Map<string, WaitingLine>();

  constructor(protected readonly transaction: Transaction) {}

  /**
   * Runs `work` while the lock is held and returns its result. Throws LOCK_BUSY when the wait is over, and LOCK_UNAVAILABLE
   * when the store does not answer; in both cases `work` was not called.
   *
   * Throws LOCK_LOST when the lock was not ours until the end, even if `work` completed: another process may have worked at
   * the same time, and the caller must not rely on the result. An error of `work` itself is more specific and takes
   * precedence. The lock waits for `work` even after `held.signal`: until then no other caller of this process enters.
   */
  async withLock<T>(key: string, options: LockOptions, work: (held: Held) => Promise<T>): Promise<T> {
    const { ttl, wait = WAIT_MS } = options;
    expectBetween('ttl', ttl, MIN_TTL_MS);
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
   * Takes the lock in the store, which must keep it for at least `ttl` after its last answer. Tries at least once, and gives
   * up at `giveUpAt` (`performance.now()`). Throws LOCK_BUSY and LOCK_UNAVAILABLE.
   */
  protected abstract take(key: string, ttl: number, giveUpAt: number): Promise<Grip>;

  /** Waits in order of arrival; only the first caller of this process asks the store. */
  private async comeIn(key: string, wait: number): Promise<void> {
    const line = this.lines.get(key);
    if (!line) return void this.lines.set(key, new WaitingLine());
    await line.waitAtMost(wait, () => lockBusy(key));
  }

  private goOut(key: string): void {
    if (!this.lines.get(key)?.next()) this.lines.delete(key);
  }
}

/** Both stores need whole milliseconds. Redis answers other values with an error, which opens the breaker for all its users. */
function expectBetween(name: string, ms: number, least: number): void {
  if (!Number.isInteger(ms) || ms < least || ms > HOUR_MS)
    throw new RangeError(`The ${name} of a lock is ${ms}: give whole milliseconds from ${least} to ${HOUR_MS}.`);
}
