// Locks: one holder of a key among all processes, in order of arrival within this one.
import type { Transaction } from '../database/transaction.js';
import { WaitQueue } from '../libs/wait-queue.js';
import { Lease, type LockHandle, type HeldLock } from './lock-lease.js';
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
  private readonly waitQueues = new Map<string, WaitQueue>();

  constructor(protected readonly transaction: Transaction) {}

  /**
   * Runs `work` while the lock is held and returns its result. Throws LOCK_BUSY when the wait is over, and LOCK_UNAVAILABLE
   * when the store does not answer; in both cases `work` was not called.
   *
   * Throws LOCK_LOST when the lock was not ours until the end, even if `work` completed: another process may have worked at
   * the same time, and the caller must not rely on the result. An error of `work` itself is more specific and takes
   * precedence. The lock waits for `work` even after `held.signal`: until then no other caller of this process enters.
   */
  async withLock<T>(key: string, options: LockOptions, work: (held: HeldLock) => Promise<T>): Promise<T> {
    const { ttl, wait = WAIT_MS } = options;
    expectBetween('ttl', ttl, MIN_TTL_MS);
    expectBetween('wait', wait, 0);
    if (this.transaction.isRunning)
      throw new Error(
        'Open the transaction inside the work: around the lock, the next holder starts before the commit.',
      );
    const deadline = performance.now() + wait;
    await this.waitForTurn(key, wait);
    try {
      const handle = await this.acquire(key, ttl, deadline);
      return await new Lease(key, ttl, handle).during(work);
    } finally {
      this.endTurn(key);
    }
  }

  /**
   * Takes the lock in the store, which must keep it for at least `ttl` after its last answer. Tries at least once, and gives
   * up at `deadline` (`performance.now()`). Throws LOCK_BUSY and LOCK_UNAVAILABLE.
   */
  protected abstract acquire(key: string, ttl: number, deadline: number): Promise<LockHandle>;

  /** Waits in order of arrival; only the first caller of this process asks the store. */
  private async waitForTurn(key: string, wait: number): Promise<void> {
    const queue = this.waitQueues.get(key);
    if (!queue) return void this.waitQueues.set(key, new WaitQueue());
    await queue.waitAtMost(wait, () => lockBusy(key));
  }

  private endTurn(key: string): void {
    if (!this.waitQueues.get(key)?.next()) this.waitQueues.delete(key);
  }
}

/** Both stores need whole milliseconds. Redis answers other values with an error, which opens the breaker for all its users. */
function expectBetween(name: string, ms: number, min: number): void {
  if (!Number.isInteger(ms) || ms < min || ms > HOUR_MS)
    throw new RangeError(`The ${name} of a lock is ${ms}: give whole milliseconds from ${min} to ${HOUR_MS}.`);
}
