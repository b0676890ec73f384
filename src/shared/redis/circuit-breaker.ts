// A circuit breaker: after a failure no calls are allowed until a probe succeeds, so that no request waits for an absent server.
import { within } from '../libs/time-limit.js';

/** A request makes at most two calls in a row before the breaker opens, so it waits at most 200 ms. */
const ANSWER_MS = 100;
const PROBE_WHEN_DOWN_MS = 250;
const PROBE_WHEN_UP_MS = 1_000;

export interface Breakable {
  /** Checks the server; rejects when it must count as unreachable. Every answer has the limit of `limited`. */
  probe: () => Promise<void>;
  /** Called once when calls are refused from now on, and once when they are allowed again. */
  onDown: (error: Error) => void;
  onUp: () => void;
}

export class CircuitBreaker {
  private readonly listeners: Array<(up: boolean) => void> = [];
  private up = false;
  private closed = false;
  private isReported = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly server: Breakable) {}

  /** False while no calls are allowed. */
  get isUp(): boolean {
    return this.up;
  }

  /** Calls `listener` after each change of `isUp`. */
  onChange(listener: (up: boolean) => void): void {
    this.listeners.push(listener);
  }

  /** Rejects when there is no answer in time. */
  limited<T>(work: () => Promise<T>): Promise<T> {
    return within(ANSWER_MS, work());
  }

  /** Refuses calls until a probe succeeds. */
  fail(error: Error): void {
    if (!this.isReported) {
      this.isReported = true;
      this.server.onDown(error);
    }
    if (!this.up) return;
    this.turn(false);
    this.schedule(PROBE_WHEN_DOWN_MS);
  }

  /** Starts a probe now, without waiting for its next turn. */
  probeSoon(): void {
    this.schedule(0);
  }

  async probe(): Promise<void> {
    try {
      await this.server.probe();
      if (!this.up && !this.closed) {
        this.isReported = false;
        this.server.onUp();
        this.turn(true);
      }
    } catch (error) {
      this.fail(error as Error);
    }
    this.schedule(this.up ? PROBE_WHEN_UP_MS : PROBE_WHEN_DOWN_MS);
  }

  /** Allows no more calls, and probes no more. */
  close(): void {
    this.closed = true;
    this.up = false;
    clearTimeout(this.timer);
  }

  get isClosed(): boolean {
    return this.closed;
  }

  private turn(up: boolean): void {
    this.up = up;
    for (const listener of this.listeners) listener(up);
  }

  private schedule(ms: number): void {
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => void this.probe(), ms).unref();
  }
}
