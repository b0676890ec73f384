// One held lock: renews the lease while the work runs, and aborts the work before another process can take the lock.
import { lockLost } from './lock.errors.js';

/** The data that the work receives. */
export interface HeldLock {
  /** Aborted when the lock is lost, or could not be renewed and may soon be lost. */
  readonly signal: AbortSignal;
  /** Greater than the fence of every earlier holder, whatever the key. */
  readonly fence: bigint;
}

/** A lock handle as its store returns it. */
export interface LockHandle {
  readonly fence: bigint;
  /** `performance.now()` before the last successful request to the store: the lease lasts at least `ttl` from then. */
  readonly requestedAt: number;
  /** Settles when the store reports that the lock is gone. */
  readonly lost?: Promise<void>;
  /** Restarts the lease. False when the lock is not ours any more. Rejects when the store does not answer. */
  renew(): Promise<boolean>;
  /** False when the lock was not ours any more; also without an answer, if a lock may end before its lease. Never rejects. */
  release(): Promise<boolean>;
}

const RENEWALS_PER_TTL = 3;
/** Part of the ttl reserved for stopping the work; it also covers clock differences and late timers. */
const STOP_RESERVE = 0.1;

/** Uses the monotonic clock: a step of the wall clock neither shortens nor extends a lease. */
export class Lease {
  private readonly loss = new AbortController();
  private until = 0;
  private isOver = false;
  private renewal: NodeJS.Timeout | undefined;
  private expiryTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly key: string,
    private readonly ttl: number,
    private readonly handle: LockHandle,
  ) {
    this.extendFrom(handle.requestedAt);
    void handle.lost?.then(() => this.lose());
  }

  /** Runs the work; call it once. Throws LOCK_LOST when the lock was not ours until the end. */
  async during<T>(work: (held: HeldLock) => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work({ signal: this.loss.signal, fence: this.handle.fence });
    } catch (error) {
      await this.end();
      throw error;
    }
    if (!(await this.end())) throw lockLost(this.key);
    return result;
  }

  /** True when the lock was ours all the time. Also checks the clock, because the alarm of a busy process fires late. */
  private async end(): Promise<boolean> {
    const inTime = !this.isOver && performance.now() < this.until;
    this.stop();
    return (await this.handle.release()) && inTime;
  }

  private extendFrom(requestedAt: number): void {
    this.until = requestedAt + this.ttl * (1 - STOP_RESERVE);
    clearTimeout(this.expiryTimer);
    this.expiryTimer = setTimeout(() => this.lose(), this.until - performance.now());
    const next = requestedAt + this.ttl / RENEWALS_PER_TTL;
    this.renewal = setTimeout(() => void this.renew(), next - performance.now());
  }

  /** Renews the lease. Without an answer it retries at a shorter interval until the alarm. */
  private async renew(): Promise<void> {
    const requestedAt = performance.now();
    const isHeld = await this.handle.renew().catch(() => null);
    if (this.isOver) return;
    if (isHeld) this.extendFrom(requestedAt);
    else if (isHeld === false) this.lose();
    else this.renewal = setTimeout(() => void this.renew(), this.ttl / RENEWALS_PER_TTL ** 2);
  }

  private lose(): void {
    if (this.isOver) return;
    this.stop();
    this.loss.abort(lockLost(this.key));
  }

  private stop(): void {
    this.isOver = true;
    clearTimeout(this.expiryTimer);
    clearTimeout(this.renewal);
  }
}
