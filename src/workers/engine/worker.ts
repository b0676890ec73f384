// The worker of this process: starts everything that runs jobs, and stops it in order, within SHUTDOWN_GRACE.
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type Consumer, QueueDriver } from '../drivers/queue.driver.js';
import { JobSettings } from '../jobs.settings.js';
import { Heartbeats } from './heartbeats.js';
import { JobCounts } from './job-counts.js';
import { JobReaper } from './job-reaper.js';
import { JobRunner } from './job-runner.js';
import { Scheduler } from './scheduler.js';

/** Part of SHUTDOWN_GRACE that is left to close connections after the jobs. */
const CLOSE_MS = 3_000;
/** Time that jobs have to clean up when they are aborted at the end of the grace period. */
const ABORTED_MS = 1_000;

@Injectable()
export class Worker implements Consumer, OnModuleInit {
  private isStarted = false;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly driver: QueueDriver,
    private readonly runner: JobRunner,
    private readonly heartbeats: Heartbeats,
    private readonly counts: JobCounts,
    private readonly scheduler: Scheduler,
    private readonly reaper: JobReaper,
    private readonly settings: JobSettings,
  ) {}

  onModuleInit(): void {
    this.driver.serve(this);
  }

  get queues(): Consumer['queues'] {
    return this.runner.queues;
  }

  wake(queue: string): void {
    this.runner.wake(queue);
  }

  start(): void {
    this.isStarted = true;
    this.heartbeats.start();
    this.counts.start();
    this.scheduler.start();
    this.reaper.start();
    this.runner.start();
  }

  /**
   * Takes no new jobs. Running jobs may finish until shortly before the end of SHUTDOWN_GRACE; then this worker aborts and
   * releases them, and the aborted attempts do not count. A job whose handler ignores the abort stays RUNNING until its lease
   * expires; then its worker counts as dead (reap.sql).
   */
  stop(): Promise<void> {
    return (this.stopping ??= this.isStarted ? this.end() : Promise.resolve());
  }

  private async end(): Promise<void> {
    this.reaper.stop();
    this.runner.stop();
    void this.runner.track(this.scheduler.stop());
    void this.runner.track(this.driver.stopReceiving());
    await this.runner.idle(Math.max(0, this.settings.shutdownMs - CLOSE_MS - ABORTED_MS));
    this.heartbeats.abortAll('STOPPING');
    await this.runner.idle(ABORTED_MS);
    this.heartbeats.stop();
    await this.counts.stop();
  }
}
