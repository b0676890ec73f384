// Queue driver without a broker: LISTEN and NOTIFY announce jobs, and a scan finds those that were missed or become due.
import { randomUUID } from 'node:crypto';
import { createBatcher } from '../../shared/libs/batcher.js';
import type { Signals } from '../../shared/pubsub/signals.js';
import { type Consumer, type ClaimPermit, QueueDriver } from './queue.driver.js';

const TOPIC = 'jobs';

export class PostgresDriver extends QueueDriver {
  readonly announces = false;
  readonly broker = null;
  private readonly self = randomUUID();
  private consumer: Consumer | undefined;
  /** Queues that may have due jobs. A claim that returns fewer jobs than requested removes its queue. */
  private readonly claimable = new Set<string>();
  /** Sends one notification at a time; queues announced meanwhile go into the next one. */
  private readonly notify = createBatcher<string, void>(async (queues) => {
    await this.signals.send(TOPIC, [this.self, ...new Set(queues)].join(' ')).catch(() => undefined);
    return [];
  });

  constructor(private readonly signals: Signals) {
    super();
    signals.on(TOPIC, (body) => {
      const [sender, ...queues] = body.split(' ');
      if (sender !== this.self) queues.forEach((queue) => this.noteDueJobs(queue));
    });
  }

  announce(queues: Iterable<string>): void {
    for (const queue of queues) {
      this.noteDueJobs(queue);
      void this.notify(queue);
    }
  }

  publishDeadLetters(): void {
    // Nothing to publish: the row is the dead letter.
  }

  permitClaim(queue: string, free: number): ClaimPermit | null {
    if (!this.claimable.delete(queue)) return null;
    return {
      maxJobs: free,
      claimed: (count) => {
        if (count >= free) this.claimable.add(queue);
      },
      failed: () => void this.claimable.add(queue),
    };
  }

  noteDueJobs(queue: string): void {
    this.claimable.add(queue);
    this.consumer?.wake(queue);
  }

  /** Nothing to do: every process receives every notification. */
  stopReceiving(): Promise<void> {
    return Promise.resolve();
  }

  protected async startConsuming(consumer: Consumer): Promise<void> {
    this.consumer = consumer;
  }

  protected async stopConsuming(): Promise<void> {
    this.consumer = undefined;
  }
}
