// One attempt at a job; its handler receives it as JobContext.
import type { Claim } from './job-queue.repository.js';
import type { JobContext, JobResult } from '../job.js';
import type { Owner } from '../../common/access/permissions.js';

/** Reasons for which an attempt's signal aborts. */
export type AbortReason = 'CANCELLED' | 'TIMED_OUT' | 'LEASE_LOST' | 'STOPPING';

/** Abort reason of the signal. */
export class AttemptAborted extends Error {
  constructor(readonly reason: AbortReason) {
    super(`The attempt was aborted: ${reason}`);
    this.name = 'AbortError';
  }
}

/** Thrown when the attempt is not the current one any more: the job was cancelled, taken back, or taken over by a worker. */
export class AttemptLost extends Error {
  override name = 'AttemptLost';
}

/** Completes an attempt and runs `effects` in the same transaction. Throws AttemptLost. */
export type Finish = <R extends JobResult>(attempt: Attempt, effects: () => Promise<R>) => Promise<R>;

export class Attempt implements JobContext {
  percent = 0;
  /** True when the job is completed and the completion is committed. */
  isFinished = false;
  /** Created on first use, since most small jobs never use the signal. */
  private controller: AbortController | undefined;
  private readonly onAbort: Array<() => void> = [];
  private aborted: AbortReason | null = null;

  /** `aliveUntil`: end of the lease, as `performance.now()` time. */
  constructor(
    readonly claim: Claim,
    public aliveUntil: number,
    private readonly finishing: Finish,
  ) {}

  get id(): string {
    return this.claim.uuid;
  }

  /** The `requestId` of its log lines: of the request that enqueued the job, or else the job's UUID. */
  get requestId(): string {
    return this.claim.request_id ?? this.claim.uuid;
  }

  get attempt(): number {
    return this.claim.attempt;
  }

  get queue(): string {
    return this.claim.queue;
  }

  get owner(): Owner | null {
    const { owner_id: key, owner_uuid: id } = this.claim;
    return key !== null && id !== null ? { id, key } : null;
  }

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      if (this.aborted !== null) this.controller.abort(new AttemptAborted(this.aborted));
    }
    return this.controller.signal;
  }

  /** Calls `listener` once, when the attempt is aborted. */
  whenAborted(listener: () => void): void {
    this.onAbort.push(listener);
  }

  /** The first abort reason; null when the attempt is not aborted. */
  get abortReason(): AbortReason | null {
    return this.aborted;
  }

  progress(percent: number): void {
    this.percent = Math.round(Math.min(100, Math.max(0, percent)));
  }

  async finish<R extends JobResult>(effects: () => Promise<R>): Promise<R> {
    if (this.isFinished) throw new Error('A job is finished once: put all its effects into one finish().');
    const result = await this.finishing(this, effects);
    this.isFinished = true;
    return result;
  }

  abort(reason: AbortReason): void {
    if (this.aborted !== null) return;
    this.aborted = reason;
    this.controller?.abort(new AttemptAborted(reason));
    for (const listener of this.onAbort) listener();
  }
}
