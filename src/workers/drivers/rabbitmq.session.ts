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
import { type Letter, RabbitPublisher } from './rabbitmq.publisher.js';

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
/** A queue that has a leader answers in milliseconds. */
const CONSUME_MS = 2_500;
/** RabbitMQ itself waits 5 s for such a queue before it deletes it by force. */
const DELETE_MS = 10_000;
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
  private publisher: RabbitPublisher | undefined;
  private receiver: Channel | undefined;

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
    session.publisher = new RabbitPublisher(channel, (error) => session.fail(error));
    return session;
  }

  /** One request to the broker. Without an answer in time the connection counts as dead. */
  async ask<T>(request: (channel: ConfirmChannel) => Promise<T>, ms = ANSWER_MS): Promise<T> {
    try {
      return await within(ms, request(this.channel));
    } catch (error) {
      this.fail(error as Error);
      throw error;
    }
  }

  /** Gives those that the broker has not taken for sure. Never rejects. */
  async publish<L extends Letter>(letters: readonly L[]): Promise<L[]> {
    if (letters.length === 0 || this.blockedBecause !== null || this.hasEnded || !this.publisher) return [...letters];
    return this.publisher.publish(letters);
  }

  /** Whatever becomes of them. */
  post(letters: readonly Letter[]): void {
    if (this.blockedBecause === null && !this.hasEnded) this.publisher?.post(letters);
  }

  /** Called once. */
  async receive(subscriptions: readonly Subscription[]): Promise<void> {
    const receiver = (this.receiver = await this.ask(() => this.model.createChannel()));
    receiver.on('error', (error) => this.fail(error));
    receiver.on('close', () => this.receiver && this.fail(new Error('the channel of deliveries was closed')));
    for (const subscription of subscriptions)
      await within(CONSUME_MS, this.consume(receiver, subscription)).catch(async (error: unknown) => {
        if (!this.hasEnded) await this.discard(subscription.queue);
        this.fail(error as Error);
        throw error;
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
    this.publisher?.giveUp();
    this.end(error);
  }

  async close(): Promise<void> {
    if (!this.hasEnded) await within(CLOSE_MS, this.model.close()).catch(() => undefined);
    this.fail(new Error('closed'));
  }

  private async consume(receiver: Channel, { queue, prefetch, deliver }: Subscription): Promise<void> {
    await receiver.prefetch(prefetch); // of each consumer that begins after it
    await receiver.consume(queue, (message) => {
      if (message) deliver(message);
      else this.fail(new Error(`the consumer of ${queue} was cancelled`)); // the queue was deleted
    });
  }

  /**
   * A queue whose broker was killed in the second after its declaration has no leader, and never gets one: it takes
   * nothing, gives nothing, and has no consumers. There are only wake-ups in it: it is deleted, and declared anew.
   */
  private async discard(queue: string): Promise<void> {
    const { consumerCount } = await this.ask((channel) => channel.checkQueue(queue));
    if (consumerCount === 0) await this.ask((channel) => channel.deleteQueue(queue), DELETE_MS);
  }

  private block(reason: string | null): void {
    this.blockedBecause = reason;
    this.publisher?.giveUp();
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
