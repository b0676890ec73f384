// The options of a cached value, and the entry made from it.
import type { CacheEntry } from './memory.store.js';

export interface CacheOptions {
  /**
   * Lifetime in milliseconds, varied by a tenth, so that values stored together do not expire together. 0: the value is not
   * stored, only shared by callers that ask while it is loading.
   */
  ttl: number;
  /** The data that the value depends on: a change of any tag invalidates the value. */
  tags: readonly string[];
  /**
   * Default true. False: each process loads the value itself. Use false for access rights: a client that can write to Redis
   * can restore an old value, such as the role of a former administrator.
   */
  shared?: boolean;
}

/** An absence is cached only for a moment, because a new object is usually requested soon after its creation. */
const MAX_ABSENCE_MS = 5_000;
/** How early a value is refreshed before it expires (the beta of XFetch; Vattani et al., VLDB 2015). */
const EARLY_REFRESH_FACTOR = 1;

/** `cost`: the duration of the load, milliseconds. `now`: milliseconds since 1970. */
export function toEntry(value: unknown, { ttl, tags }: CacheOptions, cost: number, now: number): CacheEntry {
  const lifetimeMs = (value === null ? Math.min(ttl, MAX_ABSENCE_MS) : ttl) * (0.9 + Math.random() * 0.2);
  return { value, tags, cost, expiresAt: now + lifetimeMs, size: ttl > 0 ? JSON.stringify(value).length * 2 + 200 : 0 };
}

/** True for a random early reader, so that one of many refreshes the value before it expires. */
export function isDueEarly({ expiresAt, cost }: CacheEntry, now: number): boolean {
  return now - cost * EARLY_REFRESH_FACTOR * Math.log(Math.random()) >= expiresAt;
}
