// One connection to RabbitMQ from its beginning to its end, whatever ends it: a failure on any of its channels ends it all.
import type { Socket } from 'node:net';
import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type ConsumeMessage,
  type ServerProperties,
} from 'amqplib';

export interface Letter {
  exchange: string;
  key: string;
  /** UUID of the job. */
  id: string;
  content: object;
}

export interface Subscription {
  queue: string;
  /** So many may lie here unacknowledged. */
  prefetch: number;
  /** Must not throw. */
  deliver: (message: ConsumeMessage) => void;
}

/** Of a handshake: the operating system's own limit is minutes. */
const CONNECT_MS = 3_000;
/** amqplib waits for answers for ever. */
const ANSWER_MS = 5_000;
const CLOSE_MS = 1_000;
/** Seconds. A silent peer is given up after three of them; amqplib would take the server's 60. */
const HEARTBEAT = 5;

export class RabbitSession {
  readonly version: string;
  /** Why it ended; never rejects. */
  readonly gone: Promise<Error>;
  /** Why the broker takes nothing at the moment, when it runs out of memory or disk. */
  blockedBecause: string | null = null;
  private end!: (error: Error) => void;
  private hasEnded = false;
  private channel!: ConfirmChannel;
  private receiver: Channel | undefined;
  /** Each ends a wait for confirmations that will not come. */
  private readonly giveUps = new Set<() => void>();

  private constructor(
    private readonly model: ChannelModel,
    private readonly blockedOrNot: () => void,
  ) {
    this.version = (model.connection.serverProperties as ServerProperties & { version: string }).version;
    this.gone = new Promise((resolve) => (this.end = resolve));
    model.on('error', (error) => this.fail(error));
    model.on('close', (error) => this.fail(error ?? new Error('the connection was closed')));
    model.on('blocked', (reason) => this.block(reason));
    model.on('unblocked', () => this.block(null));
  }

  /** `blockedOrNot` is called when `blockedBecause` changes. Rejects when the broker does not answer, or refuses us. */
  static async open(url: string, blockedOrNot: () => void): Promise<RabbitSession> {
    const address = new URL(url);
    if (!address.searchParams.has('heartbeat')) address.searchParams.set('heartbeat', String(HEARTBEAT));
    const connecting = connect(address.href, {
      timeout: CONNECT_MS,
      noDelay: true,
      clientProperties: { connection_name: `holdfast ${process.pid}` },
    });
    const model = await within(CONNECT_MS, connecting).catch((error: unknown) => {
      connecting.then(destroy).catch(() => undefined);
      throw error;
    });
    const session = new RabbitSession(model, blockedOrNot);
    const channel = (session.channel = await session.ask(() => model.createConfirmChannel()));
    channel.on('error', (error) => session.fail(error));
    channel.on('close', () => session.fail(new Error('the channel was closed')));
    // It comes before the message's confirmation, which then does not count any more.
    channel.on('return', ({ fields }) => session.fail(new Error(`no queue takes ${fields.routingKey}`)));
    return session;
  }

  /** One request to the broker. Without an answer in time the connection counts as dead. */
  async ask<T>(request: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
    try {
      return await within(ANSWER_MS, request(this.channel));
    } catch (error) {
      this.fail(error as Error);
      throw error;
    }
  }

  /** Gives those that the broker has not taken for sure. Never rejects. */
  async publish<L extends Letter>(letters: readonly L[]): Promise<L[]> {
    const open = new Set(letters);
    let unanswered = letters.length;
    if (unanswered === 0 || this.blockedBecause !== null || this.hasEnded) return [...letters];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => this.fail(new Error(`no confirmation within ${ANSWER_MS} ms`)), ANSWER_MS);
      const done = (): void => {
        clearTimeout(timer);
        this.giveUps.delete(done);
        resolve();
      };
      this.giveUps.add(done);
      for (const letter of letters)
        this.send(letter, (error) => {
          if (error === null && !this.hasEnded) open.delete(letter);
          if (--unanswered === 0) done();
        });
    });
    return [...open];
  }

  /** Called once. */
  async receive(subscriptions: readonly Subscription[]): Promise<void> {
    const receiver = (this.receiver = await this.ask(() => this.model.createChannel()));
    receiver.on('error', (error) => this.fail(error));
    receiver.on('close', () => this.receiver && this.fail(new Error('the channel of deliveries was closed')));
    for (const { queue, prefetch, deliver } of subscriptions)
      await this.ask(async () => {
        await receiver.prefetch(prefetch); // of each consumer that begins after it
        await receiver.consume(queue, (message) => {
          if (message) deliver(message);
          else this.fail(new Error(`the consumer of ${queue} was cancelled`)); // the queue was deleted
        });
      });
  }

  /** What was not acknowledged is the others' again. */
  async stopReceiving(): Promise<void> {
    const { receiver } = this;
    if (!receiver || this.hasEnded) return;
    this.receiver = undefined;
    await within(CLOSE_MS, receiver.close()).catch((error: unknown) => this.fail(error as Error));
  }

  ack(message: ConsumeMessage): void {
    if (!this.hasEnded) this.receiver?.ack(message);
  }

  /** To the dead letters. */
  reject(message: ConsumeMessage): void {
    if (!this.hasEnded) this.receiver?.reject(message, false);
  }

  /** The first reason counts. */
  fail(error: Error): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    destroy(this.model);
    for (const giveUp of this.giveUps) giveUp();
    this.end(error);
  }

  async close(): Promise<void> {
    if (!this.hasEnded) await within(CLOSE_MS, this.model.close()).catch(() => undefined);
    this.fail(new Error('closed'));
  }

  private send({ exchange, key, id, content }: Letter, answer: (error: unknown) => void): void {
    try {
      const options = { persistent: true, mandatory: true, messageId: id, contentType: 'application/json' };
      this.channel.publish(exchange, key, Buffer.from(JSON.stringify(content)), options, answer);
    } catch (error) {
      this.fail(error as Error); // the channel is closed already, and nobody has told us yet
    }
  }

  private block(reason: string | null): void {
    this.blockedBecause = reason;
    for (const giveUp of this.giveUps) giveUp();
    this.blockedOrNot();
  }
}

/** With an error: only that ends amqplib's heartbeat, too. Nobody waits for the far end of a half-open connection. */
function destroy(model: ChannelModel): void {
  (model.connection as unknown as { stream: Socket }).stream.destroy(new Error('given up'));
}

async function within<T>(ms: number, answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
