// Limits log lines that a client can cause at will: logs the first one, then at most one per period, with a count of the rest.

/** Calls `act` at most once per `periodMs`. `skipped` is the number of calls dropped since the last one. `now`: milliseconds. */
export function throttle<Args extends unknown[]>(
  periodMs: number,
  now: () => number,
  act: (skipped: number, ...args: Args) => void,
): (...args: Args) => void {
  let last = -Infinity;
  let skipped = 0;
  return (...args) => {
    if (now() - last < periodMs) return void skipped++;
    last = now();
    act(skipped, ...args);
    skipped = 0;
  };
}
