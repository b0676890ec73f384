// The announcements of this process on one relay that are not yet acknowledged by every other process.

/** One announcement under way. */
export class Announcement {
  /** Resolves when the announcement has come back to this process: from then on every possible lease holder is known. */
  readonly echoed: Promise<void>;
  /** Resolves when every process in `missing` has acknowledged it. */
  readonly acknowledged: Promise<void>;
  /** The processes whose acknowledgement is missing; undefined until the announcement has come back. */
  missing: Set<string> | undefined;
  /** The number of values that the others dropped. */
  removed = 0;
  /** The epochs in Redis in which no earlier change is missing, as others know. */
  readonly completeEpochs = new Set<string>();
  private resolveEchoed: () => void = () => undefined;
  private resolveAcknowledged: () => void = () => undefined;

  constructor() {
    this.echoed = new Promise((resolve) => (this.resolveEchoed = resolve));
    this.acknowledged = new Promise((resolve) => (this.resolveAcknowledged = resolve));
  }

  receiveEcho(holders: Set<string>): void {
    this.missing = holders;
    this.resolveEchoed();
    if (holders.size === 0) this.resolveAcknowledged();
  }

  /** `process` has acknowledged it, or cannot hold a lease any more. */
  settle(process: string): void {
    if (this.missing?.delete(process) && this.missing.size === 0) this.resolveAcknowledged();
  }
}

export class Announcements {
  private readonly pending = new Map<string, Announcement>();

  /** `end` follows in any case. */
  begin(id: string): Announcement {
    const announcement = new Announcement();
    this.pending.set(id, announcement);
    return announcement;
  }

  end(id: string): void {
    this.pending.delete(id);
  }

  find(id: string): Announcement | undefined {
    return this.pending.get(id);
  }

  /** `process` has left. */
  settleAll(process: string): void {
    for (const announcement of this.pending.values()) announcement.settle(process);
  }
}
