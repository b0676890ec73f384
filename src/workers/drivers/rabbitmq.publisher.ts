// Publishes with confirmations: a message that the broker has not confirmed in time counts as not accepted.
import type { ConfirmChannel } from 'amqplib';

export interface BrokerMessage {
  exchange: string;
  key: string;
  /** UUID of the job. */
  id: string;
  content: object;
}

/** Limit of the wait for confirmations. amqplib waits forever, and a half-open connection loses what is written to it. */
const CONFIRM_MS = 5_000;

export class RabbitPublisher {
  /** Functions that each end one wait for confirmations. */
  private readonly waits = new Set<() => void>();

  /** `fail`: ends the session. */
  constructor(
    private readonly channel: ConfirmChannel,
    private readonly fail: (error: Error) => void,
  ) {
    // A return arrives before the confirmation of the same message: RabbitMQ also confirms messages that it drops.
    channel.on('return', ({ fields }) => fail(new Error(`no queue takes ${fields.routingKey}`)));
  }

  /** Returns the messages that the broker has not confirmed. Never rejects. */
  publish<L extends BrokerMessage>(messages: readonly L[]): Promise<L[]> {
    return new Promise((resolve) => {
      const unconfirmed = new Set(messages);
      let unanswered = messages.length;
      const timer = setTimeout(() => this.fail(new Error(`no confirmation within ${CONFIRM_MS} ms`)), CONFIRM_MS);
      const done = (): void => {
        clearTimeout(timer);
        this.waits.delete(done);
        resolve([...unconfirmed]);
      };
      this.waits.add(done);
      for (const message of messages)
        this.send(message, (error) => {
          if (error === null) unconfirmed.delete(message);
          if (--unanswered === 0) done();
        });
    });
  }

  /** Publishes without waiting for the confirmations. */
  publishUnconfirmed(messages: readonly BrokerMessage[]): void {
    for (const message of messages) this.send(message, () => undefined);
  }

  /** Ends all waits: confirmations will not arrive, or not soon. */
  endWaits(): void {
    for (const done of this.waits) done();
  }

  private send({ exchange, key, id, content }: BrokerMessage, answer: (error: unknown) => void): void {
    try {
      const options = { persistent: true, mandatory: true, messageId: id, contentType: 'application/json' };
      this.channel.publish(exchange, key, Buffer.from(JSON.stringify(content)), options, answer);
    } catch (error) {
      this.fail(error as Error); // the channel is closed, but its event has not arrived yet
    }
  }
}
