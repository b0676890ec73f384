// Callers that wait for their turn, in order of arrival.

export class WaitingLine {
  private readonly line: Array<() => void> = [];

  get length(): number {
    return this.line.length;
  }

  /** Resolves at the caller's turn. Rejects with `late()` after `ms` milliseconds. */
  waitAtMost(ms: number, late: () => Error): Promise<void> {
    return this.wait((leave) => {
      const timer = setTimeout(() => leave(late()), ms);
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
    const enter = this.line.shift();
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
        this.line.splice(this.line.indexOf(enter), 1);
        reject(error);
      });
      this.line.push(enter);
    });
  }
}
