// The contract of the relays, which carry messages between the processes of a deployment, and their reconnect logic.

export interface RelayListener {
  /** A message of any process, including our own. */
  message(text: string): void;
  /** The connection is lost: messages may be missing until our own are received again. */
  lost(): void;
}

/** A live subscription. `end` closes it; its end is reported through the callback `ended` of `subscribe`. */
export interface Subscription {
  end(): void;
}

const FIRST_WAIT_MS = 50;
const MAX_WAIT_MS = 1_000;

/**
 * Every connected process receives every message, all in the same order. A process that receives its own message has
 * therefore received all messages published before it. A message may arrive twice. Messages are not kept for disconnected
 * processes.
 */
export abstract class EventRelay {
  private listener: RelayListener | undefined;
  private subscription: Subscription | undefined;
  private timer: NodeJS.Timeout | undefined;
  private attempts = 0;
  private closed = false;

  /** At most 7,000 bytes of UTF-8. Rejects when it is uncertain whether the message was published. */
  abstract publish(text: string): Promise<void>;

  /** Connects and subscribes. Calls `deliver` for each message, and `ended` when the connection has ended for any reason. */
  protected abstract subscribe(deliver: (text: string) => void, ended: () => void): Promise<Subscription>;

  /** Connects in the background and reconnects after each loss, with growing pauses, until `close`. */
  open(listener: RelayListener): void {
    this.listener = listener;
    void this.connect();
  }

  /** Ends a connection that is alive but does not deliver; a new one follows. */
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
    const ended = (): void => {
      if (over) return;
      over = true;
      this.subscription = undefined;
      if (this.closed) return;
      this.listener?.lost();
      const maxWaitMs = Math.min(MAX_WAIT_MS, FIRST_WAIT_MS * 2 ** this.attempts++);
      this.timer = setTimeout(() => void this.connect(), Math.random() * maxWaitMs).unref();
    };
    try {
      const deliver = (text: string): void => {
        if (!this.closed) this.listener?.message(text); // some may still be on their way
      };
      const subscription = await this.subscribe(deliver, ended);
      if (this.closed) return subscription.end();
      if (over) return;
      this.subscription = subscription;
      this.attempts = 0;
    } catch {
      ended();
    }
  }
}
