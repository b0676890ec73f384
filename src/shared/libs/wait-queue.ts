// Callers that wait for their turn: groups take turns, and the callers of one group have theirs in order of arrival.

interface Waiter {
  enter: () => void;
  leave: (error: Error) => void;
}

/** With one group, which is the default, it is first in, first out. */
export class WaitQueue {
  /** The waiting callers of each group. The first group has the next turn, and goes behind the others after it. */
  private readonly groups = new Map<string, Waiter[]>();
  private count = 0;

  get length(): number {
    return this.count;
  }

  /** Resolves at the caller's turn. Rejects with `timeoutError()` after `ms` milliseconds; Infinity: never. */
  waitAtMost(ms: number, timeoutError: () => Error, group = ''): Promise<void> {
    return this.wait(group, (leave) => {
      if (ms === Infinity) return () => undefined;
      const timer = setTimeout(() => leave(timeoutError()), ms);
      return () => clearTimeout(timer);
    });
  }

  /** Resolves at the caller's turn. Rejects with the reason of the signal when it aborts. */
  waitUnlessAborted(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    return this.wait('', (leave) => {
      const abort = (): void => leave(signal.reason as Error);
      signal.addEventListener('abort', abort, { once: true });
      return () => signal.removeEventListener('abort', abort);
    });
  }

  /** Starts the turn of the caller that has waited longest in the group whose turn it is. Returns false when none waits. */
  next(): boolean {
    const [turn] = this.groups;
    if (!turn) return false;
    const [group, waiters] = turn;
    const first = waiters[0] as Waiter;
    this.remove(group, first);
    if (this.groups.delete(group)) this.groups.set(group, waiters);
    first.enter();
    return true;
  }

  /**
   * Makes space for a caller of `group`: the newest caller of the largest group leaves, with `error()`. Of groups of one size
   * it is the one whose turn comes last. Returns false when the largest group has less than two callers more: then the two
   * groups would only change places.
   */
  displaceFor(group: string, error: () => Error): boolean {
    let largest: Waiter[] = [];
    for (const waiters of this.groups.values()) if (waiters.length >= largest.length) largest = waiters;
    if (largest.length < (this.groups.get(group)?.length ?? 0) + 2) return false;
    largest.at(-1)?.leave(error());
    return true;
  }

  /** `arm` may call `leave` later; it returns a function that prevents that. */
  private wait(group: string, arm: (leave: (error: Error) => void) => () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        enter: () => {
          disarm();
          resolve();
        },
        leave: (error) => {
          disarm();
          this.remove(group, waiter);
          reject(error);
        },
      };
      const disarm = arm(waiter.leave);
      this.add(group, waiter);
    });
  }

  private add(group: string, waiter: Waiter): void {
    const waiters = this.groups.get(group);
    if (waiters) waiters.push(waiter);
    else this.groups.set(group, [waiter]);
    this.count++;
  }

  private remove(group: string, waiter: Waiter): void {
    const waiters = this.groups.get(group) as Waiter[];
    waiters.splice(waiters.indexOf(waiter), 1);
    if (waiters.length === 0) this.groups.delete(group);
    this.count--;
  }
}
