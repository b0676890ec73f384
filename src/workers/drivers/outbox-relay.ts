// Announces due jobs to the broker once, and again when their wake-up was lost.
import type { Logger } from '../../shared/logging/logger.js';
import type { DueJob, JobOutbox } from '../engine/job-outbox.js';
import type { RabbitConnection } from './rabbitmq.connection.js';
import type { RabbitSession } from './rabbitmq.session.js';
import type { RabbitTopology } from './rabbitmq.topology.js';

/**
 * Average wait between two polls (±20 %): about the delay of the announcement of a retry or delayed job. Jobs enqueued by this
 * process are announced at once.
 */
const POLL_MS = 500;
const BATCH = 500;
/** A wake-up that has led to no claim after this time may be lost. */
const LOST_MS = 3_000;
/** Interval of re-announcements, BATCH jobs each: limits the load on a broker that has lost all messages. */
const REANNOUNCE_MS = 1_000;

export class OutboxRelay {
  private loop: Promise<void> | undefined;
  private isStopping = false;
  private isNotified = false;
  private wake: () => void = () => undefined;
  private reannounceAt = 0;

  constructor(
    private readonly outbox: JobOutbox,
    private readonly connection: RabbitConnection,
    private readonly topology: RabbitTopology,
    private readonly queues: readonly string[],
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.loop = this.run();
  }

  /** Wakes the relay, because there are new jobs. */
  notify(): void {
    this.isNotified = true;
    this.wake();
  }

  /** Stops after the current round. */
  async stop(): Promise<void> {
    this.isStopping = true;
    this.wake();
    await this.loop;
  }

  private async run(): Promise<void> {
    while (!this.isStopping) {
      this.isNotified = false;
      const { session } = this.connection;
      if (session)
        await this.announceAll(session).catch((error: unknown) =>
          this.logger.warn({ err: error }, 'Failed to announce jobs to RabbitMQ'),
        );
      if (!this.isNotified) await this.pause(POLL_MS * (0.8 + 0.4 * Math.random()));
    }
  }

  private async announceAll(session: RabbitSession): Promise<void> {
    for (let isMore = true; isMore && !this.isStopping;) {
      const jobs = await this.outbox.take(this.queues, BATCH);
      isMore = (await this.announce(session, jobs)) && jobs.length === BATCH;
    }
    if (performance.now() < this.reannounceAt) return;
    this.reannounceAt = performance.now() + REANNOUNCE_MS;
    const unannounced = await this.findUnannounced(session);
    if (unannounced.length > 0)
      await this.announce(session, await this.outbox.takeOverdue(unannounced, BATCH, LOST_MS));
  }

  /** Returns the queues with overdue jobs and no waiting wake-up. A waiting wake-up suffices, since it permits any claim. */
  private async findUnannounced(session: RabbitSession): Promise<string[]> {
    const unannounced: string[] = [];
    for (const queue of await this.outbox.findOverdue(this.queues, LOST_MS)) {
      const { messageCount } = await session.ask((channel) => channel.checkQueue(this.topology.queueOf(queue)));
      if (messageCount === 0) unannounced.push(queue);
    }
    return unannounced;
  }

  /** Returns true when the broker has accepted all messages. */
  private async announce(session: RabbitSession, jobs: readonly DueJob[]): Promise<boolean> {
    const messages = jobs.map(({ uuid: jobId, queue, id }) => {
      return { exchange: this.topology.jobs, key: queue, id: jobId, content: { jobId }, row: id };
    });
    const unconfirmed = await session.publish(messages);
    if (unconfirmed.length > 0) await this.outbox.markUnannounced(unconfirmed.map(({ row }) => row));
    return unconfirmed.length === 0;
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
