// Renews the leases that this process holds, and notices those that it has lost.
import { repeat, type StopRepeating } from './repeat.js';

export interface Renewal<H> {
  /** How long a lease lasts without a renewal. */
  leaseMs: number;
  /** Extends the leases and returns the keys of those that still exist. */
  renew: (keys: readonly string[]) => Promise<Iterable<string>>;
  /** Called for each lease that does not exist any more. */
  onLost: (held: H) => void;
  /** Called when a renewal failed; the next one follows all the same. */
  onError: (error: unknown) => void;
}

/** `H`: what belongs to a lease. A lease is renewed about every third of its lifetime, until it is released. */
export class LeaseKeeper<H> {
  private readonly held = new Map<string, H>();
  private stopRenewing: StopRepeating | undefined;

  constructor(private readonly renewal: Renewal<H>) {}

  start(): void {
    this.stopRenewing = repeat(this.renewal.leaseMs / 3, () => this.renew(), this.renewal.onError);
  }

  stop(): void {
    this.stopRenewing?.();
  }

  hold(key: string, held: H): void {
    this.held.set(key, held);
  }

  get(key: string): H | undefined {
    return this.held.get(key);
  }

  all(): Iterable<H> {
    return this.held.values();
  }

  /** Renews this lease no more. Returns what was held under it; undefined when there was none. */
  release(key: string): H | undefined {
    const held = this.held.get(key);
    this.held.delete(key);
    return held;
  }

  private async renew(): Promise<void> {
    const renewed = [...this.held];
    if (renewed.length === 0) return;
    const alive = new Set(await this.renewal.renew(renewed.map(([key]) => key)));
    for (const [key, held] of renewed) if (!alive.has(key) && this.held.get(key) === held) this.renewal.onLost(held);
  }
}
