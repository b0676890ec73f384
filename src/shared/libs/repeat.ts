// Repeats work at an interval, one run at a time.

/** Stops the repetition. A running run ends by itself. */
export type StopRepeating = () => void;

/**
 * Waits `ms` on average (±20 %, which keeps processes apart) before each run, counted from the end of the run before. `onError`
 * receives what a run throws; the next one follows all the same.
 */
export function repeat(ms: number, work: () => Promise<void>, onError: (error: unknown) => void): StopRepeating {
  let timer: NodeJS.Timeout | undefined;
  let isStopped = false;
  const schedule = (): void => {
    if (isStopped) return;
    timer = setTimeout(() => void work().catch(onError).finally(schedule), ms * (0.8 + 0.4 * Math.random()));
  };
  schedule();
  return () => {
    isStopped = true;
    clearTimeout(timer);
  };
}
