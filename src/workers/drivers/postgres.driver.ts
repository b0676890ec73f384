// Queue driver without a broker: LISTEN and NOTIFY announce jobs, and a scan finds those that were missed or become due.
import { randomUUID } from 'node:crypto';
import { createGather } from '../../shared/libs/gather.js';
import type { Signals } from '../../shared/pubsub/signals.js';
import { type Consumer, type Leave, QueueDriver } from './queue.driver.js';

const TOPIC = 'jobs';

export class PostgresDriver extends QueueDriver {
  readonly announces = false;
  readonly broker = null;
  private readonly self = randomUUID();
  private consumer: Consumer | undefined;
  /** Queues that may have due jobs. A claim that returns fewer jobs than requested removes its queue. */
  private readonly awake = new Set<string>();
  /** Sends one notification at a time; queues announced meanwhile go into the next one. */
  private readonly tell = createGather<string, void>(async (queues) => {
    await this.signals.send(TOPIC, [this.self, ...new Set(queues)].join(' ')).catch(() => undefined);
    return [];
  });

  constructor(private readonly signals: Signals) {
    super();
    signals.on(TOPIC, (body) => {
      const [sender, ...queues] = body.split(' ');
      if (sender !== this.self) queues.forEach((queue) => this.found(queue));
    });
  }

  announce(queues: Iterable<string>): void {
    for (const queue of queues) {
      this.found(queue);
      void this.tell(queue);
    }
  }

  bury(): void {
    // Nothing to publish: the row is the dead letter.
  }

  leave(queue: string, free: number): Leave | null {
    if (!this.awake.delete(queue)) return null;
    return {
      most: free,
      claimed: (count) => {
        if (count >= free) this.awake.add(queue);
      },
      failed: () => void this.awake.add(queue),
    };
  }

  found(queue: string): void {
    this.awake.add(queue);
    this.consumer?.wake(queue);
  }

  /** Nothing to do: every process receives every notification. */
  stopHearing(): Promise<void> {
    return Promise.resolve();
  }

  protected async open(consumer: Consumer): Promise<void> {
    this.consumer = consumer;
  }

  protected async shut(): Promise<void> {
    this.consumer = undefined;
  }
}
