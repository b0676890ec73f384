// Callers that wait for their turn, in order of arrival.

export class WaitQueue {
  private readonly queue: Array<() => void> = [];

  get length(): number {
    return this.queue.length;
  }

  /** Resolves at the caller's turn. Rejects with `timeoutError()` after `ms` milliseconds. */
  waitAtMost(ms: number, timeoutError: () => Error): Promise<void> {
    return this.wait((leave) => {
      const timer = setTimeout(() => leave(timeoutError()), ms);
      return () => clearTimeout(timer);
    });
  }

  /** Resolves at the caller's turn. Rejects with the reason of the signal when it aborts. */
  waitUnlessAborted(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return this.wait((leave) => {
      const abort = (): void => leave(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      return () => signal.removeEventListener('abort', abort);
    });
  }

  /** Starts the turn of the caller that has waited longest. Returns false when none waits. */
  next(): boolean {
    const enter = this.queue.shift();
    enter?.();
    return enter !== undefined;
  }

  /** `arm` may call `leave` later; it returns a function that prevents that. */
  private wait(arm: (leave: (error: Error) => void) => () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const enter = (): void => {
        disarm();
        resolve();
      };
      const disarm = arm((error) => {
        this.queue.splice(this.queue.indexOf(enter), 1);
        reject(error);
      });
      this.queue.push(enter);
    });
  }
}
