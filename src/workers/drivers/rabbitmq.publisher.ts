// Publishes with confirmations: a message that the broker has not confirmed in time counts as not accepted.
import type { ConfirmChannel } from 'amqplib';

export interface Letter {
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
  publish<L extends Letter>(letters: readonly L[]): Promise<L[]> {
    return new Promise((resolve) => {
      const open = new Set(letters);
      let unanswered = letters.length;
      const timer = setTimeout(() => this.fail(new Error(`no confirmation within ${CONFIRM_MS} ms`)), CONFIRM_MS);
      const done = (): void => {
        clearTimeout(timer);
        this.waits.delete(done);
        resolve([...open]);
      };
      this.waits.add(done);
      for (const letter of letters)
        this.send(letter, (error) => {
          if (error === null) open.delete(letter);
          if (--unanswered === 0) done();
        });
    });
  }

  /** Publishes without waiting for the confirmations. */
  post(letters: readonly Letter[]): void {
    for (const letter of letters) this.send(letter, () => undefined);
  }

  /** Ends all waits: confirmations will not arrive, or not soon. */
  giveUp(): void {
    for (const done of this.waits) done();
  }

  private send({ exchange, key, id, content }: Letter, answer: (error: unknown) => void): void {
    try {
      const options = { persistent: true, mandatory: true, messageId: id, contentType: 'application/json' };
      this.channel.publish(exchange, key, Buffer.from(JSON.stringify(content)), options, answer);
    } catch (error) {
      this.fail(error as Error); // the channel is closed, but its event has not arrived yet
    }
  }
}
