// The request that is being served, for whoever works below it: its id for log lines, and whether it is still wanted.
import { AsyncLocalStorage } from 'node:async_hooks';

/** What log lines take over: a job goes on under the id of the request that ordered it. */
export interface RequestContext {
  readonly requestId: string;
}

export type CancelReason = 'asked' | 'hung up' | 'too slow';

/**
 * What waits for something slow listens for the cancel. Nothing is made before somebody asks: an AbortController for
 * each request was a sixth of what a small answer cost. Log lines take every member they see, so only the id is one.
 */
export class RunningRequest implements RequestContext {
  #reason: CancelReason | undefined;
  #listeners: Set<() => void> | undefined;
  #controller: AbortController | undefined;

  constructor(readonly requestId: string) {}

  /** Why nobody waits for the answer any more. */
  get cancelled(): CancelReason | undefined {
    return this.#reason;
  }

  /** Aborts with the request; for what takes a signal, such as a thread. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      const controller = (this.#controller = new AbortController());
      this.onCancel(() => controller.abort());
    }
    return this.#controller.signal;
  }

  /** Calls `listener` when the request is cancelled, at once if it is already. Returns how to forget it. It must not throw. */
  onCancel(listener: () => void): () => void {
    if (this.#reason) listener();
    else (this.#listeners ??= new Set()).add(listener);
    return () => void this.#listeners?.delete(listener);
  }

  cancel(reason: CancelReason): void {
    if (this.#reason) return;
    this.#reason = reason;
    for (const listener of this.#listeners ?? []) listener();
  }
}

/**
 * Work that several requests share, such as a load for the cache, leaves it by `requestContext.exit`: or who came first
 * would cancel it for all.
 */
export const requestContext = new AsyncLocalStorage<RequestContext>();

/** The request that waits for what is done here; undefined outside of any, and in a job. */
export function runningRequest(): RunningRequest | undefined {
  const context = requestContext.getStore();
  return context instanceof RunningRequest ? context : undefined;
}
