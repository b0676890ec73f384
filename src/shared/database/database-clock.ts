// A lower bound of PostgreSQL's clock, usually without a round trip.
import type { PipelinedConnections } from './pipelined-connections.js';

/** An older reading is not used, milliseconds: the clock may have been set back since. */
const MAX_AGE_MS = 10_000;
/** An older reading is renewed while it is used. */
const RENEWED_AFTER_MS = 5_000;

/** PostgreSQL's clock showed `clockMs` (milliseconds since 1970) at or before `readAt` (of `performance.now()`). */
interface Reading {
  clockMs: number;
  readAt: number;
}

export class DatabaseClock {
  private last: Reading = { clockMs: 0, readAt: -Infinity };
  private running: Promise<Reading> | undefined;

  constructor(private readonly connections: PipelinedConnections) {}

  /**
   * Returns a lower bound of PostgreSQL's clock, milliseconds since 1970, for the moment when `performance.now()` returned `at`.
   * The true time is the same or up to one round trip later, unless the clock was set since the last reading.
   */
  async lowerBoundAt(at: number): Promise<number> {
    const age = performance.now() - this.last.readAt;
    if (age > MAX_AGE_MS) await this.read();
    else if (age > RENEWED_AFTER_MS) this.read().catch(() => undefined); // the last one is still used
    return this.last.clockMs + at - this.last.readAt;
  }

  /** Returns what PostgreSQL's clock shows now, milliseconds since 1970. */
  async now(): Promise<number> {
    return (await this.read()).clockMs;
  }

  private read(): Promise<Reading> {
    return (this.running ??= this.ask().finally(() => (this.running = undefined)));
  }

  private async ask(): Promise<Reading> {
    const [row] = await this.connections.query<{ ms: number }>({
      name: 'database-clock',
      text: 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS ms',
    });
    return (this.last = { clockMs: row!.ms, readAt: performance.now() });
  }
}
