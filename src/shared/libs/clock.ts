// The only place that asks the machine for the time, so that tests can bend it.

export abstract class Clock {
  /** Milliseconds since 1970-01-01T00:00:00Z. May step back: whoever needs order keeps its own high-water mark. */
  abstract now(): number;
}

export class SystemClock extends Clock {
  now(): number {
    return Date.now();
  }
}
