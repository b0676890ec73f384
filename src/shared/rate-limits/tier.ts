// The usage of one caller in one tier of a rate limit, in the memory of this process.
import type { Rate } from '../config/variables.js';
import { type Count, SLOTS } from './rate-limiter.js';

/** The used slots, oldest first. The Lua version is `lua/limit-take-n.lua`. */
export class Tier {
  private readonly slots: number[] = [];
  private readonly counts: number[] = [];
  private sum = 0;

  /** True when no slot is used. */
  get isUnused(): boolean {
    return this.slots.length === 0;
  }

  /** Returns the missing amount; 0 or less means that there is enough. */
  shortageOf(rate: Rate, price: number, now: number): number {
    this.forget(slotAt(rate, now));
    return this.sum + price - rate.quota;
  }

  add(rate: Rate, price: number, now: number): void {
    const slot = slotAt(rate, now);
    let at = this.slots.length;
    while (at > 0 && (this.slots[at - 1] as number) >= slot) at--; // the clock may step back a little
    if (this.slots[at] !== slot) {
      this.slots.splice(at, 0, slot);
      this.counts.splice(at, 0, 0);
    }
    this.change(at, price);
  }

  remove(rate: Rate, price: number, takenAt: number): void {
    const at = this.slots.indexOf(slotAt(rate, takenAt));
    if (at === -1) return; // it has left the window, which already freed it
    this.change(at, -Math.min(price, this.counts[at] as number));
    if (this.counts[at] === 0) this.cut(at, 1);
  }

  /** `shortage`: the result of `shortageOf` before the attempt. */
  state(rate: Rate, shortage: number, now: number): Count {
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
