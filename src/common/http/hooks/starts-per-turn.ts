// Starts work in turns of the event loop: a few starts in each, and groups take turns.
import { AsyncResource } from 'node:async_hooks';

/** Without promises: it runs for every request. Create it outside of all requests. */
export class StartsPerTurn {
  /** The async context in which waiting starts run. A context for each, as AsyncResource.bind makes one, takes 10 µs. */
  private readonly outside = new AsyncResource('StartsPerTurn');
  private started = 0;
  private isScheduled = false;
  /** The waiting starts of each group. The first group has the next turn, and goes behind the others after it. */
  private readonly waiting = new Map<string, Array<() => void>>();

  constructor(private readonly max: number) {}

  /**
   * Calls `start` now, or in a later turn of the event loop when this one has had its starts, then outside of every request's
   * context. It must not throw.
   */
  run(start: () => void, groupOf: () => string): void {
    this.schedule();
    if (this.started < this.max && this.waiting.size === 0) {
      this.started++;
      return start();
    }
    const group = groupOf();
    const others = this.waiting.get(group);
    if (others) others.push(start);
    else this.waiting.set(group, [start]);
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.outside.runInAsyncScope(setImmediate, undefined, () => this.nextTurn());
  }

  private nextTurn(): void {
    this.isScheduled = false;
    this.started = 0;
    while (this.started < this.max) {
      const [first] = this.waiting;
      if (!first) return;
      const [group, starts] = first;
      this.waiting.delete(group);
      const start = starts.shift();
      if (starts.length > 0) this.waiting.set(group, starts);
      this.started++;
      this.schedule(); // the starts of this turn count until the next one
      start?.();
    }
  }
}
