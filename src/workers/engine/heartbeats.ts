// Extends the leases of running attempts, writes their progress, and aborts attempts that are lost or cancelled.
import { Inject, Injectable } from '@nestjs/common';
import { JobSettings } from '../jobs.settings.js';
import { Events } from '../../shared/events/events.js';
import { Signals } from '../../shared/pubsub/signals.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import type { AbortReason, Attempt } from './attempt.js';
import { JobQueueRepository } from './job-queue.repository.js';
import { JobProgress } from '../jobs.events.js';

/** Topic of the signal that aborts a cancelled job in the process that runs it. Its body is the job's UUID. */
export const CANCEL_TOPIC = 'job-cancel';

/** Minimum interval between two writes of progress. */
const PROGRESS_MS = 500;

@Injectable()
export class Heartbeats {
  private readonly running = new Set<Attempt>();
  /** The last progress written for each attempt. */
  private readonly written = new WeakMap<Attempt, number>();
  private readonly timers: NodeJS.Timeout[] = [];

  constructor(
    private readonly repository: JobQueueRepository,
    private readonly events: Events,
    private readonly settings: JobSettings,
    signals: Signals,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    signals.on(CANCEL_TOPIC, (jobId) => this.cancel(jobId));
  }

  start(): void {
    this.every(this.settings.lease / 3, () => true);
    this.every(PROGRESS_MS, (attempt) => attempt.percent !== (this.written.get(attempt) ?? 0));
  }

  stop(): void {
    for (const timer of this.timers.splice(0)) clearInterval(timer);
  }

  add(attempt: Attempt): void {
    this.running.add(attempt);
  }

  delete(attempt: Attempt): void {
    this.running.delete(attempt);
  }

  abortAll(reason: AbortReason): void {
    for (const attempt of [...this.running]) attempt.abort(reason);
  }

  /** Aborts the attempts of the job with this UUID that run in this process: an earlier one may still run beside the current one. */
  private cancel(jobId: string): void {
    for (const attempt of [...this.running]) if (attempt.id === jobId) attempt.abort('CANCELLED');
  }

  private every(ms: number, isDue: (attempt: Attempt) => boolean): void {
    let isRunning = false;
    const tick = async (): Promise<void> => {
      if (isRunning) return;
      isRunning = true;
      await this.beat([...this.running].filter(isDue)).finally(() => (isRunning = false));
    };
    this.timers.push(setInterval(() => void tick(), ms));
  }

  private async beat(attempts: readonly Attempt[]): Promise<void> {
    if (attempts.length === 0) return;
    const { lease } = this.settings;
    const at = performance.now();
    const beats = attempts.map((one) => ({ id: one.claim.id, attempt: one.attempt, progress: one.percent }));
    try {
      const areCurrent = await this.repository.heartbeat(beats, lease);
      for (const [index, attempt] of attempts.entries())
        if (!areCurrent[index]) this.abortIfRunning(attempt);
        else await this.livesOn(attempt, at + lease, beats[index]?.progress ?? 0);
    } catch (error) {
      this.logger.warn({ err: error }, 'Failed to extend the leases of running jobs');
      for (const attempt of attempts) if (performance.now() > attempt.aliveUntil) attempt.abort('LEASE_LOST');
    }
  }

  /** Ignores attempts that finished while the heartbeat statement ran: they are not lost. */
  private abortIfRunning(attempt: Attempt): void {
    if (this.running.has(attempt) && !attempt.isFinished) attempt.abort('LEASE_LOST');
  }

  private async livesOn(attempt: Attempt, until: number, progress: number): Promise<void> {
    attempt.aliveUntil = until;
    if ((this.written.get(attempt) ?? 0) === progress) return;
    this.written.set(attempt, progress);
    const { uuid: jobId, owner_uuid: ownerId, type } = attempt.claim;
    await this.events.emit(JobProgress, { jobId, ownerId, type, progress });
  }
}
