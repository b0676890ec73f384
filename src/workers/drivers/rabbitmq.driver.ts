// Queue driver with RabbitMQ: an outbox announces rows, and each wake-up message permits claiming one job. While the broker
// is unavailable, scans permit the claims.
import type { OnApplicationBootstrap, OnApplicationShutdown } from '@nestjs/common';
import type { ConsumeMessage } from 'amqplib';
import { succeedsWithin } from '../../shared/libs/time-limit.js';
import type { Logger } from '../../shared/logging/logger.js';
import type { JobOutbox } from '../engine/job-outbox.js';
import { OutboxRelay } from './outbox-relay.js';
import { type Consumer, type DeadLetterMessage, type ClaimPermit, QueueDriver } from './queue.driver.js';
import { RabbitConnection } from './rabbitmq.connection.js';
import { WakeUpBuffer } from './rabbitmq.wake-up-buffer.js';
import type { RabbitSession } from './rabbitmq.session.js';
import { RabbitTopology } from './rabbitmq.topology.js';

/** Only this process can use its prefetched wake-ups. Without prefetch, a free slot waits for the network. */
const PREFETCHED_PER_SLOT = 2;
const MAX_HOLD_MS = 60_000;
const DROP_INTERVAL_MS = 10_000;
const STOP_MS = 1_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class RabbitDriver extends QueueDriver implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly announces = true;
  private readonly topology: RabbitTopology;
  private readonly connection: RabbitConnection;
  private relay: OutboxRelay | undefined;
  /** By queue name. Empty in processes that run no jobs. */
  private readonly wakeUpBuffers = new Map<string, WakeUpBuffer>();
  private isReceiving = false;
  private receivingSession: RabbitSession | undefined;
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
    const unavailable = (): void => this.wakeUpBuffers.forEach((_buffer, queue) => this.noteDueJobs(queue));
    this.connection = new RabbitConnection(config.url, { prepare, begin, unavailable }, log);
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
    if (stopped) await succeedsWithin(STOP_MS, stopped);
    await this.connection.close(); // also ends what the relay may still wait for
    await stopped;
  }

  /** In processes that run jobs: announces what the last jobs enqueued, while the database is still connected. */
  override async close(): Promise<void> {
    await super.close();
    await this.relay?.stop();
  }

  announce(queues: Iterable<string>): void {
    if (this.connection.session) this.relay?.notify();
    else for (const queue of queues) this.noteDueJobs(queue);
  }

  publishDeadLetters(deadLetters: readonly DeadLetterMessage[]): void {
    const messages = deadLetters.map(({ queue, jobId, type, reason }) => {
      return { exchange: this.topology.dead, key: queue, id: jobId, content: { jobId, type, reason } };
    });
    this.connection.session?.publishUnconfirmed(messages);
  }

  permitClaim(queue: string, free: number): ClaimPermit | null {
    return this.wakeUpBuffers.get(queue)?.permitClaim(free) ?? null;
  }

  noteDueJobs(queue: string): void {
    if (this.wakeUpBuffers.get(queue)?.noteDueJobs(this.connection.session !== null)) this.served?.wake(queue);
  }

  /** Returns unused wake-ups to the broker at once, for other processes, not only when the last job here is done. */
  async stopReceiving(): Promise<void> {
    this.isReceiving = false;
    clearInterval(this.dropTimer);
    await this.receivingSession?.stopReceiving();
  }

  protected async startConsuming({ queues }: Consumer): Promise<void> {
    for (const { name } of queues) this.wakeUpBuffers.set(name, new WakeUpBuffer());
    this.isReceiving = true;
    this.dropTimer = setInterval(
      () => this.wakeUpBuffers.forEach((buffer) => buffer.drop(MAX_HOLD_MS)),
      DROP_INTERVAL_MS,
    ).unref();
    const { session } = this.connection;
    if (session) await this.receive(session).catch(() => undefined);
  }

  /** Keeps the connection open until the application has shut down. */
  protected stopConsuming(): Promise<void> {
    return Promise.resolve();
  }

  private get queues(): string[] {
    return (this.served?.queues ?? []).map(({ name }) => name);
  }

  /** Starts to consume in processes that run jobs, once per session. A failure ends the session; the next one retries. */
  private async receive(session: RabbitSession): Promise<void> {
    if (!this.isReceiving || this.receivingSession === session) return;
    this.receivingSession = session;
    const subscriptions = (this.served?.queues ?? []).map(({ name, concurrency }) => ({
      queue: this.topology.queueOf(name),
      prefetch: PREFETCHED_PER_SLOT * concurrency,
      deliver: (message: ConsumeMessage) => this.deliver(session, name, message),
    }));
    await session.receive(subscriptions);
  }

  private deliver(session: RabbitSession, queue: string, message: ConsumeMessage): void {
    if (isWakeUp(message.content)) {
      this.wakeUpBuffers.get(queue)?.add({ at: performance.now(), ack: () => session.ack(message) });
      return this.served?.wake(queue);
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
