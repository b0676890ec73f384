// Claims due jobs while slots are free, and scans for missed ones.
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { JobSettings } from '../jobs.settings.js';
import { repeat, type StopRepeating } from '../../shared/libs/repeat.js';
import { succeedsWithin } from '../../shared/libs/time-limit.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { AttemptRunner } from './attempt-runner.js';
import { QueueDriver } from '../drivers/queue.driver.js';
import { type Claim, JobQueueRepository } from './job-queue.repository.js';
import { JobRegistry } from './job-registry.js';

/**
 * Average wait between two scans (±20 %): about the delay of retries, of delayed jobs and of jobs whose announcement was lost.
 * With RabbitMQ, jobs whose announcement was lost need two scans (rabbitmq.wake-up-buffer.ts).
 */
const SCAN_MS = 500;
/** Every fifth claim prefers jobs whose turn was over 30 s ago, the least urgent first (claim.sql). */
const STARVING_TURN = 5;
/** Maximum number of attempts per slot whose outcome is not written yet. */
const MAX_UNWRITTEN_PER_SLOT = 10;
const FAILED_CLAIM_WAIT_MS = 500;

/** The slots of one queue in this process. */
interface QueueSlots {
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
export class JobRunner {
  /** Id of this process in the rows of its jobs, and in the log line about its death (job-reaper.ts). */
  readonly worker = randomUUID();
  private readonly slotsByQueue = new Map<string, QueueSlots>();
  private readonly working = new Set<Promise<void>>();
  /** Runs work in a neutral async context, not in the context of the caller that announced the job. */
  private readonly outside = AsyncLocalStorage.snapshot();
  private isAccepting = false;
  private isQuarantined = false;
  private quarantineAfter = 0;
  private stopScanning: StopRepeating | undefined;

  constructor(
    private readonly driver: QueueDriver,
    private readonly registry: JobRegistry,
    private readonly repository: JobQueueRepository,
    private readonly attempts: AttemptRunner,
    private readonly settings: JobSettings,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  get queues(): ReadonlyArray<{ name: string; concurrency: number }> {
    return this.registry.queues;
  }

  start(): void {
    const idle = { running: 0, unwritten: 0, isClaiming: false, isShort: false, turn: 0 };
    for (const queue of this.queues) this.slotsByQueue.set(queue.name, { ...queue, ...idle });
    this.isAccepting = true;
    this.stopScanning = repeat(
      SCAN_MS,
      () => this.scan(),
      (error) => this.logger.warn({ err: error }, 'Failed to scan the jobs'),
    );
    for (const name of this.slotsByQueue.keys()) this.driver.noteDueJobs(name);
    this.logger.info({ worker: this.worker }, 'Started to run jobs');
  }

  wake(queue: string): void {
    const slots = this.slotsByQueue.get(queue);
    if (slots) this.outside(() => void this.claimFreeSlots(slots));
  }

  /** Takes no new jobs. */
  stop(): void {
    this.isAccepting = false;
    this.stopScanning?.();
  }

  /** Waits until no job runs, for `ms` at most. */
  async idle(ms: number): Promise<void> {
    const allIdle = async (): Promise<void> => {
      while (this.working.size > 0) await Promise.all(this.working); // a claim among them may have started jobs
    };
    await succeedsWithin(ms, allIdle());
  }

  /** Runs one claim at a time per queue. Slots that become free during a claim are filled by the next one. */
  private async claimFreeSlots(slots: QueueSlots): Promise<void> {
    if (slots.isClaiming || !this.isAccepting || this.isQuarantined) return;
    const free = Math.min(
      slots.concurrency - slots.running,
      slots.concurrency * MAX_UNWRITTEN_PER_SLOT - slots.unwritten,
    );
    const permit = free > 0 ? this.driver.permitClaim(slots.name, free) : null;
    if (!permit) return;
    slots.isClaiming = true;
    try {
      await this.track(this.claim(slots, permit.maxJobs).then((count) => permit.claimed(count)));
    } catch (error) {
      permit.failed();
      this.logger.warn({ err: error, queue: slots.name }, 'Failed to claim jobs');
      await delay(FAILED_CLAIM_WAIT_MS, undefined, { ref: false });
    } finally {
      slots.isClaiming = false;
    }
    void this.claimFreeSlots(slots);
  }

  /** Returns the number of claimed jobs, or `limit` when more jobs may be due. */
  private async claim(slots: QueueSlots, limit: number): Promise<number> {
    const isStarvingTurn = ++slots.turn % STARVING_TURN === 0;
    if (isStarvingTurn && (await this.startAttempts(slots, limit, true)) > 0) return limit; // jobs that are not starving may be due, too
    const started = await this.startAttempts(slots, limit, false);
    slots.isShort = started < limit;
    if (!slots.isShort || (await this.repository.assignTurns([slots.name])) === 0) return started;
    return started + (await this.startAttempts(slots, limit - started, false));
  }

  private async startAttempts(slots: QueueSlots, limit: number, starving: boolean): Promise<number> {
    const at = performance.now();
    const { lease } = this.settings;
    const claims = await this.repository.claim(slots, limit, this.worker, lease, starving);
    for (const claim of claims) void this.run(slots, claim, at + lease);
    return claims.some((claim) => claim.held_back) ? limit : claims.length;
  }

  private async run(slots: QueueSlots, claim: Claim, aliveUntil: number): Promise<void> {
    slots.running++;
    slots.unwritten++;
    const free = (): void => {
      slots.running--;
      void this.claimFreeSlots(slots);
    };
    await this.track(this.attempts.run(claim, aliveUntil, free));
    slots.unwritten--;
    if (slots.isShort && claim.owner_id !== null) this.driver.noteDueJobs(slots.name); // its owner may run one more job now
    void this.claimFreeSlots(slots);
  }

  private async scan(): Promise<void> {
    await this.repository.assignTurns([...this.slotsByQueue.keys()]);
    const due = await this.repository.findDue([...this.slotsByQueue.keys()]);
    for (const { queue, usual } of due) if (usual) this.driver.noteDueJobs(queue);
    const suspects = due.filter(({ suspect }) => suspect).map(({ queue }) => queue);
    if (suspects.length > 0 && performance.now() >= this.quarantineAfter) await this.quarantine(suspects);
  }

  /**
   * Runs suspects (jobs that may kill workers) one by one, with no other job in the process. Claims nothing meanwhile. If the
   * running jobs do not end within one lease, the process gives up and tries again after ten leases.
   */
  private async quarantine(queues: readonly string[]): Promise<void> {
    const { lease } = this.settings;
    this.isQuarantined = true;
    try {
      while (this.isAccepting) {
        await this.idle(lease);
        this.quarantineAfter = performance.now() + lease * 10;
        if (this.working.size > 0) return;
        this.quarantineAfter = 0;
        const at = performance.now();
        const claim = await this.repository.claimSuspect(queues, this.worker, lease);
        const slots = claim && this.slotsByQueue.get(claim.queue);
        if (!claim || !slots) return;
        await this.run(slots, claim, at + lease);
      }
    } finally {
      this.isQuarantined = false;
      for (const slots of this.slotsByQueue.values()) void this.claimFreeSlots(slots);
    }
  }

  /** Counts the work as running until it ends. */
  track<T>(work: Promise<T>): Promise<T> {
    const tracked: Promise<void> = work
      .then(
        () => undefined,
        () => undefined,
      )
      .finally(() => this.working.delete(tracked));
    this.working.add(tracked);
    return work;
  }
}
