// Contract of the queue drivers, which announce that there are jobs. The jobs themselves are rows in the database.
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';

/** Permission to claim jobs, as a result of an announcement. */
export interface ClaimPermit {
  /** Maximum number of jobs to claim. */
  readonly maxJobs: number;
  /** Called after the commit of the claim, with the number of claimed jobs, or `maxJobs` when more jobs may be due. */
  claimed(count: number): void;
  /** Called when the claim failed. The permission must not be lost. */
  failed(): void;
}

/** A dead letter, as the tools of the broker show it. */
export interface DeadLetterMessage {
  jobId: string;
  type: string;
  queue: string;
  reason: string;
}

/** The side that claims and runs jobs. */
export interface Consumer {
  readonly queues: ReadonlyArray<{ name: string; concurrency: number }>;
  /** Called when a claim may be permitted for this queue. */
  wake(queue: string): void;
  start(): void;
  /** Takes no new jobs, and waits for the running ones or releases them. */
  stop(): Promise<void>;
}

/**
 * A custom transport of @nestjs/microservices. A process that runs jobs connects it to its application, which starts and
 * stops it. A process that only enqueues uses only its methods.
 */
export abstract class QueueDriver extends Server implements CustomTransportStrategy {
  protected served: Consumer | undefined;

  /** True when rows store the time of their announcement (`announce_at`), because the broker may lose a message. */
  abstract readonly announces: boolean;
  /** State of the broker; null without a broker. */
  abstract readonly broker: { isUp: boolean; reason: string | null } | null;

  /** Returns the code of a refusal that only an operator can fix; null without a refusal. */
  get refusal(): string | null {
    return null;
  }

  /** Announces after the commit that these queues have jobs. Never rejects: a scan finds what is lost. */
  abstract announce(queues: Iterable<string>): void;

  /** Publishes new dead letters after the commit. Never rejects; the rows are the source of truth. */
  abstract publishDeadLetters(deadLetters: readonly DeadLetterMessage[]): void;

  /** Returns the permission to claim for `free` slots; null when no job is known to be due. */
  abstract permitClaim(queue: string, free: number): ClaimPermit | null;

  /** Called when a scan found due jobs in the queue: their announcement may be lost. */
  abstract noteDueJobs(queue: string): void;

  /** Stops receiving announcements, and leaves unused ones to other processes. */
  abstract stopReceiving(): Promise<void>;

  protected abstract startConsuming(consumer: Consumer): Promise<void>;
  protected abstract stopConsuming(): Promise<void>;

  /** Called once, before `listen`. */
  serve(consumer: Consumer): void {
    this.served = consumer;
  }

  override async listen(callback: (error?: unknown) => void): Promise<void> {
    const consumer = this.served;
    if (!consumer) throw new Error('The queue driver has no consumer: call serve() first.');
    await this.startConsuming(consumer);
    consumer.start();
    callback();
  }

  override async close(): Promise<void> {
    await this.served?.stop();
    await this.stopConsuming();
  }

  override on(): never {
    throw new Error('This transport has no events of its own.');
  }

  override unwrap<T>(): T {
    return this as unknown as T;
  }
}
