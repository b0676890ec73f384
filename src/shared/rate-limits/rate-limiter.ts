// Contract of the rate limiter: whatever the arrivals, in no interval of a window's length does more than its quota pass.
import type { Rates } from '../config/app-config.js';

/**
 * A window is cut into so many slots. What was taken in the current slot and the 60 before it counts, which is at most
 * one slot longer than the window: a quota may come back late by a 60th of the window, and never early.
 */
export const SLOTS = 60;

/** How one tier stands after an attempt. */
export interface TierState {
  /** False: this tier had too little left. */
  readonly allowed: boolean;
  readonly remaining: number;
  /** Milliseconds until more comes back, for a refusal until an attempt of this cost can pass; 0 when nothing is used. */
  readonly resetMs: number;
}

export interface Taking {
  /** Both tiers allowed it. If not, nothing was taken from either. */
  readonly allowed: boolean;
  /** By the limiter's own clock; what a refund finds its slot by. */
  readonly takenAt: number;
  readonly burst: TierState;
  readonly sustained: TierState;
}

export abstract class RateLimiter {
  /**
   * Takes `cost` (an integer from 1) from both tiers of `caller`, or from none. More than a quota counts as all of it.
   * Answers without a promise when nobody else has to be asked.
   */
  abstract take(caller: string, rates: Rates, cost: number): Taking | Promise<Taking>;

  /** Gives back what an allowed `taking` took. Never throws: at worst it comes back with its window. */
  abstract refund(caller: string, rates: Rates, cost: number, taking: Taking): void | Promise<void>;
}

/** The tier that refused; of two the one that takes longer. Null when both allowed it. */
export function refusedTier({ burst, sustained }: Taking): keyof Rates | null {
  if (sustained.allowed) return burst.allowed ? null : 'burst';
  return !burst.allowed && burst.resetMs > sustained.resetMs ? 'burst' : 'sustained';
}

/** For Retry-After: after so many seconds an attempt like the refused one can pass. */
export function retryAfterOf({ resetMs }: TierState): string {
  return String(Math.max(1, Math.ceil(resetMs / 1000)));
}
