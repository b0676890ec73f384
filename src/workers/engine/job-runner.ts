// Claims due jobs while slots are free, scans for missed ones and takes back the jobs of dead workers.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { JobSettings } from '../jobs.settings.js';
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
import { JobDone } from '../jobs.events.js';

/** Topic of the signal that aborts a cancelled job in the process that runs it. Its body is the job's UUID. */
export const CANCEL_TOPIC = 'job-cancel';

/**
 * Average wait between two scans (±20 %): about the delay of retries, of delayed jobs and of jobs whose announcement was lost.
 * With RabbitMQ the last need two scans (rabbitmq.inbox.ts).
 */
const SCAN_MS = 500;
/** Every fifth claim prefers jobs whose turn was over 30 s ago, the least urgent first (claim.sql). */
const STARVING_TURN = 5;
/** Maximum number of attempts per slot whose outcome is not written yet. */
const UNWRITTEN = 10;
const FAILED_CLAIM_WAIT_MS = 500;
/** Part of SHUTDOWN_GRACE that is left to close connections after the jobs. */
const CLOSING_MS = 3_000;
/** Time that jobs have to clean up when they are aborted at the end of the grace period. */
const ABORTED_MS = 1_000;

/** The slots of one queue in this process. */
interface Lane {
  readonly name: string;
  readonly concurrency: number;
  /** Handlers that have not returned yet. */
  running: number;
  /** Attempts whose outcome is not written yet. */
  unwritten: number;
  isClaiming: boolean;
  /** True when the last claim returned fewer jobs than requested: the rest may wait for a running job of their owner. */
  isShort: boolean;
  turn: number;
}

@Injectable()
export class JobRunner implements Consumer, OnModuleInit {
  readonly queues: Array<{ name: string; concurrency: number }> = [];
  /** Id of this process in the rows that it runs. */
  readonly worker = randomUUID();
  private readonly lanes = new Map<string, Lane>();
  private readonly timers: NodeJS.Timeout[] = [];
  private readonly working = new Set<Promise<void>>();
  /** Runs work in a neutral async context, not in the context of the caller that announced the job. */
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
    private readonly settings: JobSettings,
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
    this.every(Math.min(1_000, this.settings.lease / 4), () => this.reap());
    for (const name of this.lanes.keys()) this.driver.found(name);
  }

  wake(queue: string): void {
    const lane = this.lanes.get(queue);
    if (lane) this.outside(() => void this.take(lane));
  }

  /**
   * Takes no new jobs. Running jobs may finish until shortly before the end of SHUTDOWN_GRACE; then they are aborted and
   * released, and the aborted attempt does not count. Another worker takes over what still runs after its lease expires.
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
    await this.idle(Math.max(0, this.settings.shutdownMs - CLOSING_MS - ABORTED_MS));
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

  /** Runs one claim at a time per queue. Slots that become free during a claim are filled by the next one. */
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
      this.logger.warn({ err: error, queue: lane.name }, 'Failed to claim jobs');
      await delay(FAILED_CLAIM_WAIT_MS, undefined, { ref: false });
    } finally {
      lane.isClaiming = false;
    }
    void this.take(lane);
  }

  /** Returns the number of claimed jobs, or `most` when more jobs may be due. */
  private async claim(lane: Lane, most: number): Promise<number> {
    const isStarvingTurn = ++lane.turn % STARVING_TURN === 0;
    if (isStarvingTurn && (await this.begin(lane, most, true)) > 0) return most; // jobs that are not starving may be due, too
    const begun = await this.begin(lane, most, false);
    lane.isShort = begun < most;
    if (!lane.isShort || (await this.ledger.lineUp([lane.name])) === 0) return begun;
    return begun + (await this.begin(lane, most - begun, false));
  }

  private async begin(lane: Lane, most: number, starving: boolean): Promise<number> {
    const at = performance.now();
    const { lease } = this.settings;
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
    if (lane.isShort && claim.owner_id !== null) this.driver.found(lane.name); // its owner may run one more job now
    void this.take(lane);
  }

  private async scan(): Promise<void> {
    await this.ledger.lineUp([...this.lanes.keys()]);
    const due = await this.ledger.findDue([...this.lanes.keys()]);
    for (const { queue, usual } of due) if (usual) this.driver.found(queue);
    const suspects = due.filter(({ suspect }) => suspect).map(({ queue }) => queue);
    if (suspects.length > 0 && performance.now() >= this.quarantineAfter) await this.quarantine(suspects);
  }

  /**
   * Runs suspects (jobs that may kill workers) one by one, with no other job in the process. When this process stays busy
   * for a lease, it pauses its tries so that other processes can run the suspects.
   */
  private async quarantine(queues: readonly string[]): Promise<void> {
    const { lease } = this.settings;
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
    this.logger.warn({ jobs: reaped.length }, 'Took back the jobs of dead workers');
    const dead = reaped.filter(({ status }) => status === 'FAILED');
    this.driver.announce(new Set(reaped.map(({ queue }) => queue)));
    this.driver.bury(dead.map(({ uuid, ...job }) => ({ ...job, jobId: uuid, reason: lost.code })));
    for (const { queue, status } of reaped) this.counts.add(queue, status === 'FAILED' ? 'dead' : 'retried');
    for (const { uuid: jobId, owner_uuid: ownerId, type } of dead)
      await this.events.emit(JobDone, { jobId, ownerId, type, status: 'FAILED' });
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

  /** Repeats `work` while jobs are taken, never in parallel. The jitter keeps processes apart. */
  private every(ms: number, work: () => Promise<void>): void {
    const again = (): void => {
      if (!this.isTaking) return;
      const timer = setTimeout(
        () => {
          this.timers.splice(this.timers.indexOf(timer), 1);
          void work()
            .catch((error: unknown) => this.logger.warn({ err: error }, 'Failed to scan the jobs'))
            .finally(again);
        },
        ms * (0.8 + 0.4 * Math.random()),
      );
      this.timers.push(timer);
    };
    again();
  }
}
