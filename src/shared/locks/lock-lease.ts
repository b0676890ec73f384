// One held lock: its lease is renewed while the work runs, and the work called off before anybody else can hold it.
import { lockLost } from './lock.errors.js';

/** What the work is told. */
export interface Held {
  /** Aborted when the lock is lost, or could not be renewed and may be lost soon. */
  readonly signal: AbortSignal;
  /** Greater than that of every holder before, whatever the key. */
  readonly fence: bigint;
}

/** A lock as its store gives it. */
export interface Grip {
  readonly fence: bigint;
  /** `performance.now()` before the last question that the store has answered: the lease lasts `ttl` from then, or longer. */
  readonly asked: number;
  /** Settles when the store tells of itself that the lock is gone. */
  readonly gone?: Promise<void>;
  /** Lets the lease begin anew. False: the lock is not ours any more. Rejects when the store does not answer. */
  renew(): Promise<boolean>;
  /** False: the lock was not ours any more. Without an answer, too, where a lock may end before its lease. Never rejects. */
  release(): Promise<boolean>;
}

const RENEWALS_IN_A_TTL = 3;
/** Part of the ttl that the work has to hear of the end, which also covers clocks that differ and timers that come late. */
const RESERVE = 0.1;

/** Time is the monotonic clock's: a wall clock that steps neither shortens a lease nor makes it longer. */
export class Lease {
  private readonly loss = new AbortController();
  private until = 0;
  private over = false;
  private renewal: NodeJS.Timeout | undefined;
  private alarm: NodeJS.Timeout | undefined;

  constructor(
    private readonly key: string,
    private readonly ttl: number,
    private readonly grip: Grip,
  ) {
    this.extendFrom(grip.asked);
    void grip.gone?.then(() => this.lose());
  }

  /** For once. Throws LOCK_LOST when the lock was not ours to the end. */
  async during<T>(work: (held: Held) => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await work({ signal: this.loss.signal, fence: this.grip.fence });
    } catch (error) {
      await this.end();
      throw error;
    }
    if (!(await this.end())) throw lockLost(this.key);
    return result;
  }

  /** Whether the lock was ours all the time. The clock is asked as well: a busy process hears its alarm late. */
  private async end(): Promise<boolean> {
    const inTime = !this.over && performance.now() < this.until;
    this.stop();
    return (await this.grip.release()) && inTime;
  }

  private extendFrom(asked: number): void {
    this.until = asked + this.ttl * (1 - RESERVE);
    clearTimeout(this.alarm);
    this.alarm = setTimeout(() => this.lose(), this.until - performance.now());
    const next = asked + this.ttl / RENEWALS_IN_A_TTL;
    this.renewal = setTimeout(() => void this.renew(), next - performance.now());
  }

  /** Without an answer it asks again, sooner than otherwise, until the alarm. */
  private async renew(): Promise<void> {
    const asked = performance.now();
    const ours = await this.grip.renew().catch(() => null);
    if (this.over) return;
    if (ours) this.extendFrom(asked);
    else if (ours === false) this.lose();
    else this.renewal = setTimeout(() => void this.renew(), this.ttl / RENEWALS_IN_A_TTL ** 2);
  }

  private lose(): void {
    if (this.over) return;
    this.stop();
    this.loss.abort(lockLost(this.key));
  }

  private stop(): void {
    this.over = true;
    clearTimeout(this.alarm);
    clearTimeout(this.renewal);
  }
}
