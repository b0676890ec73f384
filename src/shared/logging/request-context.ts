// The current request for the code that serves it: the id for log lines, and whether the request is cancelled.
import { AsyncLocalStorage } from 'node:async_hooks';

/** The members that log lines contain. A job keeps the id of the request that created it. */
export interface RequestContext {
  readonly requestId: string;
}

export type CancelReason = 'asked' | 'hung up' | 'too slow';

/**
 * Code that waits for something slow listens for the cancel. Objects are created only on demand: an AbortController for
 * each request took a sixth of the time of a small response. Log lines include every public member, so only the id is one.
 */
export class RunningRequest implements RequestContext {
  #reason: CancelReason | undefined;
  #listeners: Set<() => void> | undefined;
  #controller: AbortController | undefined;

  constructor(readonly requestId: string) {}

  /** The client's widest network, which takes turns with others; null for a job, for which no client waits. */
  get network(): string | null {
    return null;
  }

  /** The reason why the response is no longer needed; undefined while it is. */
  get cancelled(): CancelReason | undefined {
    return this.#reason;
  }

  /** A signal that aborts with the request, for APIs that need one, such as threads. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      const controller = (this.#controller = new AbortController());
      this.onCancel(() => controller.abort());
    }
    return this.#controller.signal;
  }

  /** Calls `listener` on cancel, or at once if already cancelled; it must not throw. Returns a function that removes it. */
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
 * Work that several requests share, such as a load for the cache, must leave this context with `requestContext.exit`:
 * otherwise the first request could cancel it for all.
 */
export const requestContext = new AsyncLocalStorage<RequestContext>();

/** Returns the request that waits for this code; undefined outside a request and in a job. */
export function runningRequest(): RunningRequest | undefined {
  const context = requestContext.getStore();
  return context instanceof RunningRequest ? context : undefined;
}

/**
 * Returns the group of this code in a line of all callers (`Semaphore`): the client's network. All work for which no client
 * waits is one group.
 */
export function lineGroup(): string {
  return runningRequest()?.network ?? '';
}
