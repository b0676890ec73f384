// The engine: claims due jobs where there are places, looks for what was missed, takes back what dead workers left.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { AppConfig } from '../../shared/config/app-config.js';
import { Events } from '../../shared/events/events.js';
import { Signals } from '../../shared/pubsub/signals.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { AttemptRunner } from './attempt-runner.js';
import { type Consumer, QueueDriver } from '../drivers/queue.driver.js';
import { Heartbeats } from './heartbeats.js';
import { JobCounts } from './job-counts.js';
import { type Claim, JobLedger } from './job-ledger.js';
import { JobRegistry } from './job-registry.js';
import { JobErrors } from '../jobs.errors.js';
import { Scheduler } from './scheduler.js';

/** Of the signal that reaches the process which runs a cancelled job; its body is the job's UUID. */
export const CANCEL_TOPIC = 'job-cancel';

/** How late a retry or a delayed job may be, and news that got lost. */
const SCAN_MS = 500;
/** One claim in so many is for those that wait longest. */
const STARVING_TURN = 5;
/** Of those that a process claimed, so many for each place may wait for their end to be written down. */
const UNWRITTEN = 10;
const FAILED_CLAIM_WAIT_MS = 500;
/** Left for closing connections after the jobs, out of SHUTDOWN_GRACE. */
const CLOSING_MS = 3_000;
/** Those that are aborted at the end of the grace have so long to put things in order. */
const ABORTED_MS = 1_000;

/** The places of one queue in this process. */
interface Lane {
  readonly name: string;
  readonly concurrency: number;
  /** Handlers that have not returned. */
  running: number;
  /** Attempts whose end is not written down. */
  unwritten: number;
  isClaiming: boolean;
  /** The last claim got less than it asked for: what still waits may wait for a running job of its owner to end. */
  isShort: boolean;
  turn: number;
}

@Injectable()
export class JobRunner implements Consumer, OnModuleInit {
  readonly queues: Array<{ name: string; concurrency: number }> = [];
  /** This process, in the rows that it runs. */
  readonly worker = randomUUID();
  private readonly lanes = new Map<string, Lane>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly working = new Set<Promise<void>>();
  /** Work begins in our own context, not in that of whoever brought the news. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private isTaking = false;
  private isQuarantined = false;
  private quarantineAfter = 0;
  private stopping: Promise<void> | undefined;

  constructor(
    private readonly driver: QueueDriver,
    private readonly registry: JobRegistry,
    private readonly ledger: JobLedger,
    private readonly attempts: AttemptRunner,
    private readonly heartbeats: Heartbeats,
    private readonly counts: JobCounts,
    private readonly scheduler: Scheduler,
    private readonly events: Events,
    private readonly config: AppConfig,
    signals: Signals,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {
    signals.on(CANCEL_TOPIC, (jobId) => this.heartbeats.find(jobId)?.abort('CANCELLED'));
  }

  onModuleInit(): void {
    this.queues.push(...this.registry.queues);
    for (const queue of this.queues)
      this.lanes.set(queue.name, { ...queue, running: 0, unwritten: 0, isClaiming: false, isShort: false, turn: 0 });
    this.driver.serve(this);
  }

  start(): void {
    this.isTaking = true;
    this.heartbeats.start();
    this.counts.start();
    this.scheduler.start();
    this.every(SCAN_MS, () => this.scan());
    this.every(Math.min(1_000, this.config.jobs.lease / 4), () => this.reap());
    for (const name of this.lanes.keys()) this.driver.found(name);
  }

  wake(queue: string): void {
    const lane = this.lanes.get(queue);
    if (lane) this.outside(() => void this.take(lane));
  }

  /**
   * No new work from now on; what runs may finish until SHUTDOWN_GRACE is nearly over, then it is aborted and given back,
   * uncounted. What even so does not return is somebody else's after its lease.
   */
  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  private async end(): Promise<void> {
    if (!this.isTaking) return;
    this.isTaking = false;
    for (const timer of this.timers.splice(0)) clearTimeout(timer);
    void this.track(this.scheduler.stop());
    void this.track(this.driver.stopHearing());
    const { shutdownDelay, shutdownGrace } = this.config.http;
    await this.idle(Math.max(0, shutdownDelay + shutdownGrace - CLOSING_MS - ABORTED_MS));
    for (const attempt of this.heartbeats.all()) attempt.abort('STOPPING');
    await this.idle(ABORTED_MS);
    this.heartbeats.stop();
    await this.counts.stop();
  }

  private async idle(ms: number): Promise<void> {
    const waited = new AbortController();
    const timeout = delay(ms, undefined, { signal: waited.signal }).catch(() => undefined);
    while (
      this.working.size > 0 &&
      !(await Promise.race([Promise.all(this.working).then(() => false), timeout.then(() => true)]))
    );
    waited.abort();
  }

  /** One claim at a time for each queue: the places that become free meanwhile are filled by the next. */
  private async take(lane: Lane): Promise<void> {
    if (lane.isClaiming || !this.isTaking || this.isQuarantined) return;
    const free = Math.min(lane.concurrency - lane.running, lane.concurrency * UNWRITTEN - lane.unwritten);
    const leave = free > 0 ? this.driver.leave(lane.name, free) : null;
    if (!leave) return;
    lane.isClaiming = true;
    try {
      await this.track(this.claim(lane, leave.most).then((count) => leave.claimed(count)));
    } catch (error) {
      leave.failed();
      this.logger.warn({ err: error, queue: lane.name }, 'No jobs could be claimed');
      await delay(FAILED_CLAIM_WAIT_MS, undefined, { ref: false });
    } finally {
      lane.isClaiming = false;
    }
    void this.take(lane);
  }

  /** Returns how many it got, or `most` where more may be due. */
  private async claim(lane: Lane, most: number): Promise<number> {
    const isStarvingTurn = ++lane.turn % STARVING_TURN === 0;
    if (isStarvingTurn && (await this.begin(lane, most, true)) > 0) return most; // others may be due that are not starving
    const begun = await this.begin(lane, most, false);
    lane.isShort = begun < most;
    if (!lane.isShort || (await this.ledger.lineUp([lane.name])) === 0) return begun;
    return begun + (await this.begin(lane, most - begun, false));
  }

  private async begin(lane: Lane, most: number, starving: boolean): Promise<number> {
    const at = performance.now();
    const { lease } = this.config.jobs;
    const claims = await this.ledger.claim(lane.name, most, this.worker, lease, starving);
    for (const claim of claims) void this.run(lane, claim, at + lease);
    return claims.some((claim) => claim.held_back) ? most : claims.length;
  }

  private async run(lane: Lane, claim: Claim, aliveUntil: number): Promise<void> {
    lane.running++;
    lane.unwritten++;
    const free = (): void => {
      lane.running--;
      void this.take(lane);
    };
    await this.track(this.attempts.run(claim, aliveUntil, free));
    lane.unwritten--;
    if (lane.isShort && claim.owner_id !== null) this.driver.found(lane.name); // its owner may have one more running
    void this.take(lane);
  }

  private async scan(): Promise<void> {
    await this.ledger.lineUp([...this.lanes.keys()]);
    const due = await this.ledger.findDue([...this.lanes.keys()]);
    for (const { queue, usual } of due) if (usual) this.driver.found(queue);
    const suspects = due.filter(({ suspect }) => suspect).map(({ queue }) => queue);
    if (suspects.length > 0 && performance.now() >= this.quarantineAfter) await this.quarantine(suspects);
  }

  /** Runs jobs that may be what kills workers one by one, with nothing beside them. A process that is long at work lets others try. */
  private async quarantine(queues: readonly string[]): Promise<void> {
    const { lease } = this.config.jobs;
    this.isQuarantined = true;
    try {
      while (this.isTaking) {
        await this.idle(lease);
        this.quarantineAfter = performance.now() + lease * 10;
        if (this.working.size > 0) return;
        this.quarantineAfter = 0;
        const at = performance.now();
        const claim = await this.ledger.claimSuspect(queues, this.worker, lease);
        const lane = claim && this.lanes.get(claim.queue);
        if (!claim || !lane) return;
        await this.run(lane, claim, at + lease);
      }
    } finally {
      this.isQuarantined = false;
      for (const lane of this.lanes.values()) void this.take(lane);
    }
  }

  private async reap(): Promise<void> {
    const lost = JobErrors.WORKER_LOST();
    const reaped = await this.ledger.reap(lost.code, lost.message);
    if (reaped.length === 0) return;
    this.logger.warn({ jobs: reaped.length }, 'Jobs of dead workers were taken back');
    const dead = reaped.filter(({ status }) => status === 'FAILED');
    this.driver.announce(new Set(reaped.map(({ queue }) => queue)));
    this.driver.bury(dead.map(({ uuid, ...job }) => ({ ...job, jobId: uuid, reason: lost.code })));
    for (const { queue, status } of reaped) this.counts.add(queue, status === 'FAILED' ? 'dead' : 'retried');
    for (const { uuid: jobId, owner_uuid: ownerId, type } of dead)
      await this.events.emit('job.done', { jobId, ownerId, type, status: 'FAILED' });
  }

  private track<T>(work: Promise<T>): Promise<T> {
    const tracked: Promise<void> = work
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.working.delete(tracked));
    this.working.add(tracked);
    return work;
  }

  /** One after the other, a little apart from other processes, for as long as work is taken. */
  private every(ms: number, work: () => Promise<void>): void {
    const again = (): void => {
      if (!this.isTaking) return;
      const timer = setTimeout(
        () => {
          this.timers.splice(this.timers.indexOf(timer), 1);
          void work()
            .catch((error: unknown) => this.logger.warn({ err: error }, 'The jobs could not be looked through'))
            .finally(again);
        },
        ms * (0.8 + 0.4 * Math.random()),
      );
      this.timers.push(timer);
    };
    again();
  }
}
