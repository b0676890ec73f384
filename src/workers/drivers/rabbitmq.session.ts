// One connection to RabbitMQ, from open to close. A failure on any of its channels ends the whole connection.
import type { Socket } from 'node:net';
import {
  type Channel,
  type ChannelModel,
  type ConfirmChannel,
  connect,
  type ConsumeMessage,
  type ServerProperties,
} from 'amqplib';
import { within } from '../../shared/libs/time-limit.js';
import { type BrokerMessage, RabbitPublisher } from './rabbitmq.publisher.js';

export interface Subscription {
  queue: string;
  /** Maximum number of unacknowledged messages. */
  prefetch: number;
  /** Must not throw. */
  deliver: (message: ConsumeMessage) => void;
}

/** Limit of a handshake. The operating system's own limit is minutes. */
const CONNECT_MS = 3_000;
/** Limit of one answer. amqplib waits forever. */
const ANSWER_MS = 5_000;
/** Limit of one consume. A queue that has a leader answers in milliseconds. */
const CONSUME_MS = 2_500;
/** Limit of one delete. RabbitMQ itself waits 5 s for a queue without leader before it deletes it by force. */
const DELETE_MS = 10_000;
const CLOSE_MS = 1_000;
/** Seconds. A silent peer counts as dead after three of them. amqplib would use the server's 60 s. */
const HEARTBEAT = 5;

export class RabbitSession {
  readonly version: string;
  /** Resolves with the reason when the session ends; never rejects. */
  readonly ended: Promise<Error>;
  /** Why the broker accepts nothing at the moment (it runs out of memory or disk); null when it accepts. */
  blockReason: string | null = null;
  private end!: (error: Error) => void;
  private hasEnded = false;
  private channel!: ConfirmChannel;
  private publisher: RabbitPublisher | undefined;
  private receiver: Channel | undefined;

  private constructor(
    private readonly model: ChannelModel,
    private readonly onBlockChange: () => void,
  ) {
    this.version = (model.connection.serverProperties as ServerProperties & { version: string }).version;
    this.ended = new Promise((resolve) => (this.end = resolve));
    model.on('error', (error) => this.fail(error));
    model.on('close', (error) => this.fail(error ?? new Error('the connection was closed')));
    model.on('blocked', (reason) => this.block(reason));
    model.on('unblocked', () => this.block(null));
  }

  /** Opens a session. Calls `onBlockChange` when `blockReason` changes. Rejects when the broker does not answer or refuses. */
  static async open(url: string, onBlockChange: () => void): Promise<RabbitSession> {
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
    const session = new RabbitSession(model, onBlockChange);
    const channel = (session.channel = await session.ask(() => model.createConfirmChannel()));
    channel.on('error', (error) => session.fail(error));
    channel.on('close', () => session.fail(new Error('the channel was closed')));
    session.publisher = new RabbitPublisher(channel, (error) => session.fail(error));
    return session;
  }

  /** Sends one request to the broker. Without an answer within `ms`, the session ends. */
  async ask<T>(request: (channel: ConfirmChannel) => Promise<T>, ms = ANSWER_MS): Promise<T> {
    try {
      return await within(ms, request(this.channel));
    } catch (error) {
      this.fail(error as Error);
      throw error;
    }
  }

  /** Returns the messages that the broker has not confirmed. Never rejects. */
  async publish<L extends BrokerMessage>(messages: readonly L[]): Promise<L[]> {
    if (messages.length === 0 || this.blockReason !== null || this.hasEnded || !this.publisher) return [...messages];
    return this.publisher.publish(messages);
  }

  /** Publishes without waiting for the confirmations. */
  publishUnconfirmed(messages: readonly BrokerMessage[]): void {
    if (this.blockReason === null && !this.hasEnded) this.publisher?.publishUnconfirmed(messages);
  }

  /** Starts to consume. Called once per session. */
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

  /** Stops consuming. The broker redelivers unacknowledged messages to other consumers. */
  async stopReceiving(): Promise<void> {
    const { receiver } = this;
    if (!receiver || this.hasEnded) return;
    this.receiver = undefined;
    await within(CLOSE_MS, receiver.close()).catch((error: unknown) => this.fail(error as Error));
  }

  ack(message: ConsumeMessage): void {
    if (!this.hasEnded) this.receiver?.ack(message);
  }

  /** Moves the message to the dead letters. */
  reject(message: ConsumeMessage): void {
    if (!this.hasEnded) this.receiver?.reject(message, false);
  }

  /** Ends the session. Only the first error is reported. */
  fail(error: Error): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    destroy(this.model);
    this.publisher?.endWaits();
    this.end(error);
  }

  async close(): Promise<void> {
    if (!this.hasEnded) await within(CLOSE_MS, this.model.close()).catch(() => undefined);
    this.fail(new Error('closed'));
  }

  private async consume(receiver: Channel, { queue, prefetch, deliver }: Subscription): Promise<void> {
    await receiver.prefetch(prefetch); // applies to consumers that start after this call
    await receiver.consume(queue, (message) => {
      if (message) deliver(message);
      else this.fail(new Error(`the consumer of ${queue} was cancelled`)); // the queue was deleted
    });
  }

  /**
   * Deletes a queue without leader, which is then declared again. Such a queue results when its broker is killed in the
   * second after the declaration; it never gets a leader, accepts and delivers nothing, and has no consumers. The queue
   * contains only wake-ups, so no job is lost.
   */
  private async discard(queue: string): Promise<void> {
    const { consumerCount } = await this.ask((channel) => channel.checkQueue(queue));
    if (consumerCount === 0) await this.ask((channel) => channel.deleteQueue(queue), DELETE_MS);
  }

  private block(reason: string | null): void {
    this.blockReason = reason;
    this.publisher?.endWaits();
    this.onBlockChange();
  }
}

/** Destroys the socket at once, without waiting for the peer. Only destroy with an error also stops amqplib's heartbeat. */
function destroy(model: ChannelModel): void {
  (model.connection as unknown as { stream: Socket }).stream.destroy(new Error('given up'));
}
