// Waiting for something to become true, instead of sleeping and hoping.
import { setTimeout as sleep } from 'node:timers/promises';

/** Asks again and again until the answer is neither false nor null nor undefined, and gives it back. Throws after `withinMs`. */
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
