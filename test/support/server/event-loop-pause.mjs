// Measures the longest pause of the event loop of this thread, in CPU time (Linux).
//
// A pause is the CPU time of the thread within one turn of the event loop: wall-clock time would include the other processes
// of a busy machine. While it measures, the event loop does not wait.
import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers';

/** Returns the CPU time of this thread so far, in milliseconds; Linux counts it in nanoseconds, and adds it up at each tick. */
const threadMs = () => Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[0]) / 1e6;

/** Starts to measure. The returned function stops it in the next turn, and resolves with the longest pause in milliseconds. */
export function measurePauses() {
  let longest = 0;
  let last = threadMs();
  let finish;
  const turn = () => {
    const now = threadMs();
    longest = Math.max(longest, now - last);
    last = now;
    if (finish) finish(longest);
    else setImmediate(turn);
  };
  setImmediate(turn);
  return () => new Promise((resolve) => (finish = resolve));
}
