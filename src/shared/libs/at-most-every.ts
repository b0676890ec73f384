// For log lines that a client can cause at will: the first is written, and then one in a while that counts the others.

/** Calls `act` at most once in `periodMs`; `skipped`: calls since the last one that did nothing. `now`: milliseconds. */
export function atMostEvery<Args extends unknown[]>(
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
