// The contract of the rate limiters: in no interval of a window's length does more than the quota pass.
import type { Rate } from '../config/variables.js';

/**
 * The number of slots of a window. The current slot and the 60 before it count, which is at most one slot longer than the
 * window: a quota may become free late by a 60th of the window, but never early.
 */
export const SLOTS = 60;

/** The state of one tier after an attempt. */
export interface TierState {
  /** False when this tier had too little left. */
  readonly allowed: boolean;
  readonly remaining: number;
  /** Milliseconds until more is free (after a refusal: until this cost can pass); 0 when nothing is used. */
  readonly resetMs: number;
}

/** The two tiers of a limit. */
export interface Rates {
  readonly burst: Rate;
  readonly sustained: Rate;
}

export interface TakeResult {
  /** True when both tiers allowed it. Otherwise nothing was taken from either. */
  readonly allowed: boolean;
  /** By the limiter's own clock; a refund finds its slot with it. */
  readonly takenAt: number;
  readonly burst: TierState;
  readonly sustained: TierState;
}

export abstract class RateLimiter {
  /**
   * Takes `cost` (an integer from 1) from both tiers of `caller`, or from neither. A cost above a quota takes the whole quota.
   * Returns without a promise when no other process has to be asked.
   */
  abstract take(caller: string, rates: Rates, cost: number): TakeResult | Promise<TakeResult>;

  /** Refunds the cost of an allowed `result`. Never throws: at worst the amount becomes free with its window. */
  abstract refund(caller: string, rates: Rates, cost: number, result: TakeResult): void | Promise<void>;
}

/** Returns the tier that refused; if both did, the one with the longer wait. Null when both allowed it. */
export function refusedTier({ burst, sustained }: TakeResult): keyof Rates | null {
  if (sustained.allowed) return burst.allowed ? null : 'burst';
  return !burst.allowed && burst.resetMs > sustained.resetMs ? 'burst' : 'sustained';
}

/** Returns the value of Retry-After: the seconds after which an attempt like the refused one can pass. */
export function retryAfterOf({ resetMs }: TierState): string {
  return String(Math.max(1, Math.ceil(resetMs / 1000)));
}
