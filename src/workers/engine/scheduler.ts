// Runs jobs by the clock: of all processes one leads, and fires what is due, once, however much of it was missed.
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

/** A leader that died is replaced after it and one retry. */
const LEADER_TTL_MS = 5_000;
const RETRY_MS = 3_000;
/** How late a schedule may be. */
const TICK_MS = 500;

/**
 * The lock only spares double work. What keeps two leaders (one was frozen, or Redis forgot the lock) from firing the same
 * run twice is the row: it is locked, moved on and the job enqueued in one transaction, and who comes second finds it not
 * due. So without a store for locks everybody looks for what is due.
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
    if (code !== LockErrors.UNAVAILABLE.code)
      this.logger.warn({ err: error }, 'This process leads the schedules no more');
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

  /** Never rejects: there is a next one. */
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

  /** Due next is what comes after now, not after the time that was missed: many missed runs are made up by one. */
  private async fire(job: ScheduledJob): Promise<void> {
    await this.transaction.run(async () => {
      const now = await this.schedules.claimDue(job.name);
      if (!now) return;
      const { id } = await this.queue.enqueue(job, job.schedule.payload);
      await this.schedules.fired(job.name, nextRun(job.schedule, now), id);
    });
  }

  private failed(error: unknown, schedule?: string): void {
    this.logger.warn({ err: error, schedule }, 'What is due by the clock could not be enqueued');
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch(() => undefined);
}
