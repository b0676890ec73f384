// The only place that reads the system time, so that tests can replace the clock.

export abstract class Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May step back: code that needs a strict order keeps its own high-water mark. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}
