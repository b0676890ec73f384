// Queue driver with RabbitMQ: an outbox announces rows, and each wake-up message permits claiming one job. While the broker
// is unavailable, scans permit the claims.
import { setTimeout as delay } from 'node:timers/promises';
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import type { Logger } from '../../shared/logging/logger.js';
import type { JobOutbox } from '../engine/job-outbox.js';
import { OutboxRelay } from './outbox-relay.js';
import { type Consumer, type DeadNews, type Leave, QueueDriver } from './queue.driver.js';
import { RabbitConnection } from './rabbitmq.connection.js';
import { Inbox } from './rabbitmq.inbox.js';
import type { RabbitSession } from './rabbitmq.session.js';
import { RabbitTopology } from './rabbitmq.topology.js';

/** Only this process can use its prefetched wake-ups. Without prefetch, a free slot waits for the network. */
const PREFETCHED_PER_PLACE = 2;
const HELD_MS = 60_000;
const DROP_EVERY_MS = 10_000;
const STOP_MS = 1_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class RabbitDriver extends QueueDriver implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly announces = true;
  private readonly topology: RabbitTopology;
  private readonly connection: RabbitConnection;
  private relay: OutboxRelay | undefined;
  /** By queue name. Empty in processes that run no jobs. */
  private readonly inboxes = new Map<string, Inbox>();
  private isReceiving = false;
  private receiving: RabbitSession | undefined;
  private dropTimer: NodeJS.Timeout | undefined;

  constructor(
    config: { url: string; prefix: string },
    private readonly outbox: JobOutbox,
    private readonly log: Logger,
  ) {
    super();
    this.topology = new RabbitTopology(config.prefix);
    const prepare = async (session: RabbitSession): Promise<void> => {
      await this.topology.declare(session, this.queues);
      await this.receive(session); // on a broker that has just started, declare can succeed although consume fails
    };
    const begin = (session: RabbitSession): void => void this.receive(session).catch(() => undefined);
    const away = (): void => this.inboxes.forEach((_inbox, queue) => this.found(queue));
    this.connection = new RabbitConnection(config.url, { prepare, begin, away }, log);
  }

  get broker(): { isUp: boolean; reason: string | null } {
    const { reason } = this.connection;
    return { isUp: reason === null, reason };
  }

  override get refusal(): string | null {
    return this.connection.refusal;
  }

  /** Runs also in a process that only enqueues. */
  async onApplicationBootstrap(): Promise<void> {
    this.relay = new OutboxRelay(this.outbox, this.connection, this.topology, this.queues, this.log);
    await this.connection.open();
    this.relay.start();
  }

  /** Closes last, because requests and jobs in flight enqueue until now. */
  async onApplicationShutdown(): Promise<void> {
    const stopped = this.relay?.stop();
    await Promise.race([stopped, delay(STOP_MS, undefined, { ref: false })]);
    await this.connection.close(); // also ends what the relay may still wait for
    await stopped;
  }

  /** In processes that run jobs: announces what the last jobs enqueued, while the database is still connected. */
  override async close(): Promise<void> {
    await super.close();
    await this.relay?.stop();
  }

  announce(queues: Iterable<string>): void {
    if (this.connection.session) this.relay?.poke();
    else for (const queue of queues) this.found(queue);
  }

  bury(dead: readonly DeadNews[]): void {
    const letters = dead.map(({ queue, jobId, type, reason }) => {
      return { exchange: this.topology.dead, key: queue, id: jobId, content: { jobId, type, reason } };
    });
    this.connection.session?.post(letters);
  }

  leave(queue: string, free: number): Leave | null {
    return this.inboxes.get(queue)?.leave(free) ?? null;
  }

  found(queue: string): void {
    if (this.inboxes.get(queue)?.found(this.connection.session !== null)) this.known?.wake(queue);
  }

  /** Returns unused wake-ups to the broker at once, for other processes, not only when the last job here is done. */
  async stopHearing(): Promise<void> {
    this.isReceiving = false;
    clearInterval(this.dropTimer);
    await this.receiving?.stopReceiving();
  }

  protected async open({ queues }: Consumer): Promise<void> {
    for (const { name } of queues) this.inboxes.set(name, new Inbox());
    this.isReceiving = true;
    this.dropTimer = setInterval(() => this.inboxes.forEach((inbox) => inbox.drop(HELD_MS)), DROP_EVERY_MS).unref();
    const { session } = this.connection;
    if (session) await this.receive(session).catch(() => undefined);
  }

  /** Keeps the connection open until the application has shut down. */
  protected shut(): Promise<void> {
    return Promise.resolve();
  }

  private get queues(): string[] {
    return (this.known?.queues ?? []).map(({ name }) => name);
  }

  /** Starts to consume in processes that run jobs, once per session. A failure ends the session; the next one retries. */
  private async receive(session: RabbitSession): Promise<void> {
    if (!this.isReceiving || this.receiving === session) return;
    this.receiving = session;
    const subscriptions = (this.known?.queues ?? []).map(({ name, concurrency }) => ({
      queue: this.topology.queueOf(name),
      prefetch: PREFETCHED_PER_PLACE * concurrency,
      deliver: (message: ConsumeMessage) => this.deliver(session, name, message),
    }));
    await session.receive(subscriptions);
  }

  private deliver(session: RabbitSession, queue: string, message: ConsumeMessage): void {
    if (isWakeUp(message.content)) {
      this.inboxes.get(queue)?.add({ at: performance.now(), ack: () => session.ack(message) });
      return this.known?.wake(queue);
    }
    this.log.warn(
      { queue, messageId: message.properties.messageId as unknown },
      'Rejected a message that is no wake-up',
    );
    session.reject(message);
  }
}

/** True for `{"jobId": "<UUID>"}`. */
function isWakeUp(content: Buffer): boolean {
  try {
    const { jobId } = JSON.parse(content.toString()) as { jobId?: unknown };
    return typeof jobId === 'string' && UUID.test(jobId);
  } catch {
    return false;
  }
}
