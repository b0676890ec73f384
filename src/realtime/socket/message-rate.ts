// Limits how many messages a client sends in a second.

const PERIOD_MS = 1_000;

export class MessageRate {
  private beganAt = -Infinity;
  private count = 0;

  constructor(private readonly max: number) {}

  /** Counts a message. Returns false beyond the limit. */
  take(now: number): boolean {
    if (now - this.beganAt >= PERIOD_MS) {
      this.beganAt = now;
      this.count = 0;
    }
    return ++this.count <= this.max;
  }
}
