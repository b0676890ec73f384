// Enqueues scheduled jobs: one leader among all processes enqueues each due job once, however many runs were missed.
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '../../shared/libs/app-error.js';
import { LockErrors } from '../../shared/locks/lock.errors.js';
import { LockService } from '../../shared/locks/lock.service.js';
import { Transaction } from '../../shared/database/transaction.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { JobQueue } from '../job-queue.js';
import { findScheduledJob, nextRun, type ScheduledJob, scheduledJobs } from './scheduled-jobs.js';
import { SchedulesRepository } from './schedules.repository.js';

/** TTL of the leader lock. A dead leader is replaced after this time and one RETRY_MS. */
const LEADER_TTL_MS = 5_000;
const RETRY_MS = 3_000;
/** Interval of the leader's check: the usual delay of a schedule. Without a lock store, the interval is RETRY_MS. */
const TICK_MS = 500;

/**
 * The lock only avoids duplicate work. Two leaders are possible (a frozen process, or a lock that Redis lost); the row
 * prevents that they enqueue the same run twice. One transaction locks the row, sets the next run and enqueues the job,
 * so the second leader finds the row not due. Therefore every process checks the schedules when no lock store is
 * available.
 */
@Injectable()
export class Scheduler {
  private readonly stopping = new AbortController();
  private working: Promise<void> = Promise.resolve();

  constructor(
    private readonly schedules: SchedulesRepository,
    private readonly queue: JobQueue,
    private readonly locks: LockService,
    private readonly transaction: Transaction,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  start(): void {
    this.working = this.work();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await this.working;
  }

  private async work(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await this.lead().catch((error: unknown) => this.withoutLock(error));
      await pause(RETRY_MS * (0.8 + 0.4 * Math.random()), signal);
    }
  }

  private lead(): Promise<void> {
    return this.locks.withLock('scheduler', { ttl: LEADER_TTL_MS, wait: 0 }, async (held) => {
      const signal = AbortSignal.any([held.signal, this.stopping.signal]);
      await this.ensure();
      for (; !signal.aborted; await pause(TICK_MS, signal)) await this.tick();
    });
  }

  private async withoutLock(error: unknown): Promise<void> {
    const code = error instanceof AppError ? error.code : null;
    if (code === LockErrors.BUSY.code) return;
    if (code !== LockErrors.UNAVAILABLE.code) this.logger.warn({ err: error }, 'Lost the leadership of the schedules');
    await this.tick();
  }

  private async ensure(): Promise<void> {
    const now = await this.schedules.now();
    await this.schedules.ensure(
      scheduledJobs().map(({ name, schedule: { cron, timeZone } }) => ({
        name,
        cron,
        timeZone,
        next: nextRun({ cron, timeZone }, now),
      })),
    );
  }

  /** Never rejects: the next tick tries again. */
  private async tick(): Promise<void> {
    try {
      for (const name of await this.schedules.findDue()) {
        const job = findScheduledJob(name);
        if (job) await this.fire(job).catch((error: unknown) => this.failed(error, name));
      }
    } catch (error) {
      this.failed(error);
    }
  }

  /** Computes the next run from now, not from the missed time: one run replaces all missed ones. */
  private async fire(job: ScheduledJob): Promise<void> {
    await this.transaction.run(async () => {
      const now = await this.schedules.claimDue(job.name);
      if (!now) return;
      const { id } = await this.queue.enqueue(job, job.schedule.payload);
      await this.schedules.fired(job.name, nextRun(job.schedule, now), id);
    });
  }

  private failed(error: unknown, schedule?: string): void {
    this.logger.warn({ err: error, schedule }, 'Failed to enqueue the scheduled job');
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
