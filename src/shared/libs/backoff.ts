// How long to wait before trying again: ever longer, and never all at the same moment.

/** `attempt` that failed, from 1 → milliseconds to wait. */
export type Backoff = (attempt: number) => number;

const HOUR_MS = 3_600_000;

/**
 * Exponential with full jitter: anything between 0 and `baseMs * 2^(attempt - 1)`, at most `capMs`. Who failed together
 * does not come back together (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015).
 */
export function exponential(baseMs: number, capMs = HOUR_MS, random: () => number = Math.random): Backoff {
  return (attempt) => Math.round(random() * Math.min(capMs, baseMs * 2 ** (attempt - 1)));
}
