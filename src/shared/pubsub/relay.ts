// What carries words between the processes of a deployment: the contract of both relays, and how they stay connected.

export interface RelayListener {
  /** A message of any process, our own included. */
  message(text: string): void;
  /** The connection is gone: messages are missing from here on, until our own are heard again. */
  lost(): void;
}

/** What a relay hears over. `end` closes it; whoever made it was told how to say that it is gone. */
export interface Subscription {
  end(): void;
}

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 1_000;

/**
 * Every process that is connected hears every message, all in the same order. Who hears its own message knows therefore
 * that it has heard all that were published before. A message may come twice. Nothing is kept for who is away.
 */
export abstract class EventRelay {
  private listener: RelayListener | undefined;
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private attempts = 0;
  private closed = false;

  /** At most 7,000 bytes of UTF-8. Rejects when it cannot be said that the message was published. */
  abstract publish(text: string): Promise<void>;

  /** Connects and subscribes; calls `deliver` for each message and `gone` once it has ended, for whatever reason. */
  protected abstract subscribe(deliver: (text: string) => void, gone: () => void): Promise<Subscription>;

  /** Connects in the background, and again after each loss, ever more slowly, until `close`. */
  open(listener: RelayListener): void {
    this.listener = listener;
    void this.connect();
  }

  /** Ends a connection that lives and does not deliver; a new one follows. */
  reconnect(): void {
    this.subscription?.end();
  }

  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    this.subscription?.end();
  }

  private async connect(): Promise<void> {
    let over = false;
    const gone = (): void => {
      if (over) return;
      over = true;
      this.subscription = undefined;
      if (this.closed) return;
      this.listener?.lost();
      const longest = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts++);
      this.timer = setTimeout(() => void this.connect(), Math.random() * longest).unref();
    };
    try {
      const deliver = (text: string): void => {
        if (!this.closed) this.listener?.message(text); // some may be on their way still
      };
      const subscription = await this.subscribe(deliver, gone);
      if (this.closed) return subscription.end();
      if (over) return;
      this.subscription = subscription;
      this.attempts = 0;
    } catch {
      gone();
    }
  }
}
