// Rate limits counted in this process: without Redis, and while it is unreachable.
import { LRUCache } from 'lru-cache';
import type { Rate } from '../config/variables.js';
import type { Clock } from '../libs/clock.js';
import { RateLimiter, type Rates, SLOTS, type TakeResult, type TierState } from './rate-limiter.js';

/** Evicts the least recently seen first. A caller takes about 300 bytes, and 16 more for each used slot. */
const MAX_CALLERS = 100_000;

export class MemoryRateLimiter extends RateLimiter {
  private readonly callers: LRUCache<string, Record<keyof Rates, Tier>>;

  constructor(
    private readonly clock: Clock,
    maxCallers = MAX_CALLERS,
  ) {
    super();
    this.callers = new LRUCache({ max: maxCallers });
  }

  override take(caller: string, rates: Rates, cost: number): TakeResult {
    const now = this.clock.now();
    const { burst, sustained } = this.tiersOf(caller);
    const burstShortage = burst.shortageOf(rates.burst, cost, now);
    const sustainedShortage = sustained.shortageOf(rates.sustained, cost, now);
    const allowed = burstShortage <= 0 && sustainedShortage <= 0;
    if (allowed) {
      burst.add(rates.burst, cost, now);
      sustained.add(rates.sustained, cost, now);
    }
    return {
      allowed,
      takenAt: now,
      burst: burst.state(rates.burst, burstShortage, now),
      sustained: sustained.state(rates.sustained, sustainedShortage, now),
    };
  }

  override refund(caller: string, rates: Rates, cost: number, { takenAt }: TakeResult): void {
    const tiers = this.callers.get(caller);
    tiers?.burst.remove(rates.burst, cost, takenAt);
    tiers?.sustained.remove(rates.sustained, cost, takenAt);
  }

  private tiersOf(caller: string): Record<keyof Rates, Tier> {
    let tiers = this.callers.get(caller);
    if (!tiers) this.callers.set(caller, (tiers = { burst: new Tier(), sustained: new Tier() }));
    return tiers;
  }
}

/** The usage of one caller in one tier: the used slots, oldest first. The Lua version is `lua/limit-take-2.lua`. */
class Tier {
  private readonly slots: number[] = [];
  private readonly counts: number[] = [];
  private sum = 0;

  /** Returns the missing amount; 0 or less means that there is enough. */
  shortageOf(rate: Rate, cost: number, now: number): number {
    this.forget(slotAt(rate, now));
    return this.sum + priceOf(rate, cost) - rate.quota;
  }

  add(rate: Rate, cost: number, now: number): void {
    const slot = slotAt(rate, now);
    let at = this.slots.length;
    while (at > 0 && (this.slots[at - 1] as number) >= slot) at--; // the clock may step back a little
    if (this.slots[at] !== slot) {
      this.slots.splice(at, 0, slot);
      this.counts.splice(at, 0, 0);
    }
    this.change(at, priceOf(rate, cost));
  }

  remove(rate: Rate, cost: number, takenAt: number): void {
    const at = this.slots.indexOf(slotAt(rate, takenAt));
    if (at === -1) return; // it has left the window, which already freed it
    this.change(at, -Math.min(priceOf(rate, cost), this.counts[at] as number));
    if (this.counts[at] === 0) this.cut(at, 1);
  }

  /** `shortage`: the result of `shortageOf` before the attempt. */
  state(rate: Rate, shortage: number, now: number): TierState {
    const remaining = Math.max(0, rate.quota - this.sum);
    return { allowed: shortage <= 0, remaining, resetMs: this.wait(rate, Math.max(1, shortage), now) };
  }

  /** Returns the milliseconds until `amount` of the used quota is free again. */
  private wait({ window }: Rate, amount: number, now: number): number {
    let back = 0;
    for (let at = 0; at < this.slots.length; at++) {
      back += this.counts[at] as number;
      if (back >= amount) return Math.ceil((((this.slots[at] as number) + SLOTS + 1) * window * 1000) / SLOTS) - now;
    }
    return 0;
  }

  /** Removes slots that have left the window, and those a whole window ahead, which come from a wrong clock. */
  private forget(current: number): void {
    while (this.slots.length > 0 && (this.slots[0] as number) < current - SLOTS) this.cut(0, 1);
    while (this.slots.length > 0 && (this.slots.at(-1) as number) > current + SLOTS) this.cut(this.slots.length - 1, 1);
  }

  private cut(at: number, many: number): void {
    for (const count of this.counts.splice(at, many)) this.sum -= count;
    this.slots.splice(at, many);
  }

  private change(at: number, by: number): void {
    this.counts[at] = (this.counts[at] as number) + by;
    this.sum += by;
  }
}

function slotAt({ window }: Rate, now: number): number {
  return Math.floor((now * SLOTS) / (window * 1000));
}

function priceOf({ quota }: Rate, cost: number): number {
  return Math.min(cost, quota);
}
