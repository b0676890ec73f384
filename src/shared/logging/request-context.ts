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
  readonly #actorId: string | null;

  /** `actorId`: for whom a job runs. */
  constructor(
    readonly requestId: string,
    actorId: string | null = null,
  ) {
    this.#actorId = actorId;
  }

  /** UUID of the user that asks for this work; null: the client has not logged in, or the system itself asks. */
  get actorId(): string | null {
    return this.#actorId;
  }

  /** Address of the client; null for a job. */
  get address(): string | null {
    return null;
  }

  /** Method and path of the route, as in the OpenAPI document; null for a job. */
  get route(): string | null {
    return null;
  }

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

/** Of the same client and id, but never cancelled. */
class UncancellableRequest extends RunningRequest {
  readonly #network: string | null;
  readonly #address: string | null;

  constructor({ requestId, actorId, network, address }: RunningRequest) {
    super(requestId, actorId);
    this.#network = network;
    this.#address = address;
  }

  override get address(): string | null {
    return this.#address;
  }

  override get network(): string | null {
    return this.#network;
  }
}

/**
 * Work that several requests share, such as a load for the cache, must leave this context with `requestContext.exit`:
 * otherwise the first request could cancel it for all.
 */
export const requestContext = new AsyncLocalStorage<RequestContext>();

/** Returns the request that waits for this code; undefined outside of requests and jobs. */
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

/** Runs work for a request that waited for its turn; undefined: for none. The cancel of the request ends the work. */
export function runFor<T>(request: RunningRequest | undefined, work: () => T): T {
  return request ? requestContext.run(request, work) : work();
}

/** Runs work of the request that its cancel must not end. It still counts for the client's network. */
export function runUncancelled<T>(work: () => T): T {
  const running = runningRequest();
  return running ? requestContext.run(new UncancellableRequest(running), work) : work();
}
