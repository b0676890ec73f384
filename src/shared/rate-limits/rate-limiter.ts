// The contract of the rate limiters: in no interval of a window's length does more than the quota pass.
import type { Rate } from '../config/variables.js';
import { networksOf, SITE_FACTOR } from '../libs/network.js';

/**
 * The number of slots of a window. The current slot and the 60 before it count, which is at most one slot longer than the
 * window: a quota may become free late by a 60th of the window, but never early.
 */
export const SLOTS = 60;

/** The subject of a limit: a user, session or account by its name, or the network of an address. */
export type Caller = string | NetworkCaller;

/** A network. The /48 around an IPv6 network counts too, with SITE_FACTOR times the quota. */
export interface NetworkCaller {
  readonly network: string;
  /** Null for IPv4. */
  readonly site: string | null;
}

/** Returns the caller of a limit by address. Limits with different names count separately. */
export function callerAt(ip: string, limit: string): NetworkCaller {
  const { network, site } = networksOf(ip);
  return { network: `${limit}:${network}`, site: site === null ? null : `${limit}:${site}` };
}

/** The state of one tier after an attempt. */
export interface TierState {
  /** False when this tier had too little left. */
  readonly allowed: boolean;
  readonly remaining: number;
  /** Milliseconds until more is free (after a refusal: until this cost can pass); 0 when nothing is used. */
  readonly resetMs: number;
  /** True when the numbers are those of the /48 network, since it has less left than the network itself. */
  readonly ofSite: boolean;
}

/** The two tiers of a limit. */
export interface Rates {
  readonly burst: Rate;
  readonly sustained: Rate;
}

export interface TakeResult {
  /** True when both tiers allowed it, those of the /48 network included. Otherwise nothing was taken from any. */
  readonly allowed: boolean;
  /** By the limiter's own clock; a refund finds its slot with it. */
  readonly takenAt: number;
  readonly burst: TierState;
  readonly sustained: TierState;
}

export abstract class RateLimiter {
  /**
   * Takes `cost` (an integer from 1) from both tiers of `caller`, and of its /48 network if it has one, or from none of them. A
   * cost above a quota takes the whole quota. Returns without a promise when no other process has to be asked.
   */
  abstract take(caller: Caller, rates: Rates, cost: number): TakeResult | Promise<TakeResult>;

  /** Refunds the cost of an allowed `result`. Never throws: at worst the amount becomes free with its window. */
  abstract refund(caller: Caller, rates: Rates, cost: number, result: TakeResult): void | Promise<void>;
}

/** Returns what an attempt takes from a tier of its network; the tier of the /48 network loses the same. */
export function priceOf({ quota }: Rate, cost: number): number {
  return Math.min(cost, quota);
}

/** Returns the rates of a /48 network whose networks have the given ones. */
export function siteRatesOf({ burst, sustained }: Rates): Rates {
  const of = ({ quota, window }: Rate): Rate => ({ quota: quota * SITE_FACTOR, window });
  return { burst: of(burst), sustained: of(sustained) };
}

/** A tier's own numbers: `allowed`, `remaining` and `resetMs`. */
export type Count = Omit<TierState, 'ofSite'>;

/** Returns the result of an attempt at a network, and at its /48 network if it has one: of each tier the tighter count. */
export function resultOf(
  takenAt: number,
  network: Record<keyof Rates, Count>,
  site: Record<keyof Rates, Count> | null,
): TakeResult {
  const burst = tighterOf(network.burst, site?.burst);
  const sustained = tighterOf(network.sustained, site?.sustained);
  return { allowed: burst.allowed && sustained.allowed, takenAt, burst, sustained };
}

/** Returns the one that refused, else the one with less left; in doubt the one with the longer wait. */
function tighterOf(network: Count, site: Count | undefined): TierState {
  const ofSite = site !== undefined && isTighter(site, network);
  const { allowed, remaining, resetMs } = ofSite ? site : network;
  return { allowed, remaining, resetMs, ofSite };
}

function isTighter(one: Count, other: Count): boolean {
  if (one.allowed !== other.allowed) return other.allowed;
  if (one.allowed && one.remaining !== other.remaining) return one.remaining < other.remaining;
  return one.resetMs > other.resetMs;
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
