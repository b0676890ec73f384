// Computes the wait before a retry: it grows with each attempt and is random, so that clients do not retry together.

/** Takes the number of the failed attempt, from 1, and returns the milliseconds to wait. */
export type Backoff = (attempt: number) => number;

const HOUR_MS = 3_600_000;

/**
 * Exponential backoff with full jitter: a random wait between 0 and `baseMs * 2^(attempt - 1)`, at most `capMs`. Clients
 * that failed together do not retry together (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export function exponential(baseMs: number, capMs = HOUR_MS, random: () => number = Math.random): Backoff {
  return (attempt) => Math.round(random() * Math.min(capMs, baseMs * 2 ** (attempt - 1)));
}
