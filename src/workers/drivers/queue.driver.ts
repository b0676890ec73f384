// The contract of both drivers: how the news that there is work travels. The work itself is in the rows.
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';

/** Leave to claim, which the news of due work gives. */
export interface Leave {
  /** Claim so many at most. */
  readonly most: number;
  /** The claim is committed. */
  claimed(count: number): void;
  /** It failed; the news must not be lost. */
  failed(): void;
}

/** A job that cannot be done, as the broker's own tools may see it. */
export interface DeadNews {
  jobId: string;
  type: string;
  queue: string;
  reason: string;
}

/** What a driver drives: the one who claims and runs. */
export interface Consumer {
  readonly queues: ReadonlyArray<{ name: string; concurrency: number }>;
  /** There may be leave for this queue now. */
  wake(queue: string): void;
  start(): void;
  /** Stops taking work, and waits for what runs, or gives it back. */
  stop(): Promise<void>;
}

/**
 * A custom transport of @nestjs/microservices: a process that runs jobs connects it to its application, which starts and
 * stops it with itself. One that only enqueues uses it for its words alone.
 */
export abstract class QueueDriver extends Server implements CustomTransportStrategy {
  protected known: Consumer | undefined;

  /** Whether rows remember when their news is due (`announce_at`), for a broker that may lose it. */
  abstract readonly announces: boolean;
  /** Null: nothing to say about a broker, there is none. */
  abstract readonly broker: { isUp: boolean; reason: string | null } | null;

  /** With which code the broker refuses us until somebody changes something; null: it does not. */
  get refusal(): string | null {
    return null;
  }

  /** After the commit: there is work in these queues. Never rejects: what gets lost is found by a scan. */
  abstract announce(queues: Iterable<string>): void;

  /** After the commit: these are dead letters now. Never rejects; the rows are what counts. */
  abstract bury(dead: readonly DeadNews[]): void;

  /** What `queue` may claim now with `free` places; null: nothing is known to be due. */
  abstract leave(queue: string, free: number): Leave | null;

  /** A scan found due work in the queue: news of it may have been lost. */
  abstract found(queue: string): void;

  /** No more news from now on: what is on its way here is for others. */
  abstract stopHearing(): Promise<void>;

  protected abstract open(consumer: Consumer): Promise<void>;
  protected abstract shut(): Promise<void>;

  /** Called once, before `listen`. */
  serve(consumer: Consumer): void {
    this.known = consumer;
  }

  override async listen(callback: (error?: unknown) => void): Promise<void> {
    const consumer = this.known;
    if (!consumer) throw new Error('Nobody consumes: call serve() first.');
    await this.open(consumer);
    consumer.start();
    callback();
  }

  override async close(): Promise<void> {
    await this.known?.stop();
    await this.shut();
  }

  override on(): never {
    throw new Error('This transport has no events of its own.');
  }

  override unwrap<T>(): T {
    return this as unknown as T;
  }
}
