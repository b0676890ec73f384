// Waits for a condition instead of sleeping for a fixed time.
import { setTimeout as sleep } from 'node:timers/promises';

/** Repeats the check until it returns neither false nor null nor undefined, and returns that value. Throws after `withinMs`. */
export async function until<T>(
  condition: () => T | Promise<T>,
  what: string,
  withinMs = 60_000,
): Promise<Exclude<T, false | null | undefined>> {
  for (const began = performance.now(); ; await sleep(10)) {
    const answer = await condition();
    if (answer !== false && answer !== null && answer !== undefined)
      return answer as Exclude<T, false | null | undefined>;
    if (performance.now() - began > withinMs) throw new Error(`Waited ${withinMs} ms in vain for ${what}`);
  }
}
