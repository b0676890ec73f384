// Runs one attempt with its timeout, and writes its outcome.
import { setTimeout as delay } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { AppError } from '../../shared/libs/app-error.js';
import { Clock } from '../../shared/libs/clock.js';
import { createBatcher } from '../../shared/libs/batcher.js';
import { isConnectionFailure, sqlStateOf } from '../../shared/database/sql-state.js';
import { Transaction } from '../../shared/database/transaction.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { redactSecrets } from '../../shared/logging/redact.js';
import { requestContext, RunningRequest } from '../../shared/logging/request-context.js';
import { Attempt, AttemptAborted, AttemptLost } from './attempt.js';
import { AttemptPreparer } from './attempt-preparer.js';
import { Heartbeats } from './heartbeats.js';
import { type AttemptKey, type Claim, JobQueueRepository } from './job-queue.repository.js';
import { JobOutcomes } from './job-outcomes.js';
import type { JobFailure } from '../job.entity.js';
import { type JobResult, LongJob, UnrecoverableError } from '../job.js';
import { JobErrors } from '../jobs.errors.js';

/** Wait for a handler that ignores its abort signal. Then the attempt ends; its slot is free when the handler returns. */
const SETTLE_MS = 5_000;
/**
 * While the database is unavailable, writes of an outcome are retried this long. Then the process gives up: it stops extending the
 * lease, and a reaper takes the job back when the lease expires.
 */
const WRITE_MS = 60_000;
const MAX_MESSAGE = 2_000;
/** Wait before the retry of a type that has no handler here: another version may be deployed meanwhile. */
const UNKNOWN_WAIT_MS = 10_000;

interface Completion extends AttemptKey {
  result: JobResult;
}

@Injectable()
export class AttemptRunner {
  /** Batches completions: those that arrive during a commit are committed together with the next one. */
  private readonly complete = createBatcher<Completion, boolean>((done) => persist(() => this.repository.finish(done)));

  constructor(
    private readonly repository: JobQueueRepository,
    private readonly preparer: AttemptPreparer,
    private readonly heartbeats: Heartbeats,
    private readonly outcomes: JobOutcomes,
    private readonly transaction: Transaction,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /**
   * Runs the attempt. Calls `free` when the handler has returned, and resolves when the outcome is written, so the next job
   * need not wait for this commit. Never rejects.
   */
  async run(claim: Claim, aliveUntil: number, free: () => void): Promise<void> {
    const attempt = new Attempt(claim, aliveUntil, (one, effects) => this.finishWith(one, effects));
    this.heartbeats.add(attempt);
    let work: Promise<JobResult> | undefined;
    try {
      const { job, handler, payload } = await this.preparer.prepare(claim);
      const context = new RunningRequest(attempt.requestId, claim.owner_uuid);
      attempt.whenAborted(() => context.cancel('asked')); // also cancels its statements in PostgreSQL
      work = requestContext.run(context, async () => (await handler.run(payload, attempt)) ?? null);
      work.then(free, free);
      const result = await this.within(job.timeoutMs, attempt, work);
      if (!attempt.isFinished && !(await this.complete({ ...keyOf(claim), result }))) throw new AttemptLost();
      this.outcomes.succeeded(claim);
    } catch (error) {
      await this.ended(attempt, error).catch((fault: unknown) =>
        this.logger.error({ ...namesOf(attempt), err: fault }, 'Failed to write the outcome of an attempt'),
      );
    } finally {
      this.heartbeats.delete(attempt);
      if (!work) free();
    }
  }

  /** Returns the handler's result. Rejects with AttemptAborted when the handler ignores the abort for SETTLE_MS. */
  private within(timeoutMs: number, attempt: Attempt, work: Promise<JobResult>): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      let settle: NodeJS.Timeout | undefined;
      const timer = setTimeout(() => attempt.abort('TIMED_OUT'), Math.min(timeoutMs, 2 ** 31 - 1));
      attempt.whenAborted(() => {
        settle = setTimeout(() => reject(new AttemptAborted(attempt.abortReason ?? 'STOPPING')), SETTLE_MS);
      });
      const clear = (): void => {
        clearTimeout(timer);
        clearTimeout(settle);
      };
      work.finally(clear).then(resolve, reject);
    });
  }

  /**
   * Completes the job before it runs `effects`, in the same transaction. The UPDATE locks the row, so that until the commit the
   * reaper skips the job and a cancel waits. It matches no row when this attempt is not the current one any more.
   */
  private async finishWith<R extends JobResult>(attempt: Attempt, effects: () => Promise<R>): Promise<R> {
    const key = keyOf(attempt.claim);
    return this.transaction.run(async () => {
      const [isCurrent] = await this.repository.finish([{ ...key, result: null }]);
      if (!isCurrent) throw new AttemptLost();
      const result = await effects();
      if (result !== null) await this.repository.setResult(key.id, result);
      return result;
    });
  }

  private async ended(attempt: Attempt, error: unknown): Promise<void> {
    const { claim, abortReason } = attempt;
    const about = namesOf(attempt);
    if (attempt.isFinished) return this.logger.error({ ...about, err: error }, 'A job handler failed after finish()');
    if (error instanceof AttemptLost || abortReason === 'CANCELLED' || abortReason === 'LEASE_LOST')
      return this.logger.warn(
        { ...about, abortReason },
        'job.fenced: the job was cancelled or taken back, or its lease could not be extended in time',
      );
    if (abortReason === 'STOPPING') {
      return persist(() => this.repository.release([keyOf(claim)]));
    }
    const longQueue = this.preparer.findJob(claim.type)?.longQueue;
    if (error instanceof LongJob && longQueue)
      return persist(() => this.repository.release([keyOf(claim)], longQueue.name));
    await this.failed(attempt, error, about);
  }

  private async failed(attempt: Attempt, thrown: unknown, about: object): Promise<void> {
    const { claim } = attempt;
    const job = this.preparer.findJob(claim.type);
    const isTimeout = attempt.abortReason === 'TIMED_OUT';
    const error = isTimeout && job ? JobErrors.TIMED_OUT(job.timeoutMs) : withoutMemory(thrown);
    const failure = this.toFailure(claim, error);
    const wait = job?.backoff(claim.attempt) ?? UNKNOWN_WAIT_MS;
    const isFinal = error instanceof UnrecoverableError || (isTimeout && job?.isTimeoutFinal === true);
    const status = await persist(() => this.repository.fail(keyOf(claim), Math.round(wait), isFinal, failure));
    this.logger.warn({ ...about, status, code: failure.code, err: error }, `Attempt failed: ${failure.message}`);
    if (status === 'RETRYING') this.outcomes.willRetry(claim);
    if (status === 'FAILED') this.outcomes.failed([claim], failure.code);
  }

  private toFailure({ attempt }: Claim, thrown: unknown): JobFailure {
    const error = thrown instanceof UnrecoverableError ? thrown.cause : thrown;
    const text = error instanceof Error ? error.message : String(error);
    return {
      attempt,
      at: new Date(this.clock.now()).toISOString(),
      code: error instanceof AppError ? error.code : JobErrors.HANDLER_FAILED.code,
      message: storable(redactSecrets(text)).slice(0, MAX_MESSAGE),
      isPublic: error instanceof AppError,
    };
  }
}

/** A retry of a thread that ran out of memory would run out of it again. */
function withoutMemory(error: unknown): unknown {
  const isOutOfMemory = (error as { code?: unknown } | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return isOutOfMemory ? new UnrecoverableError(JobErrors.OUT_OF_MEMORY()) : error;
}

/** The members of each log line about the attempt. Outside of the handler, the logger does not know the request id. */
function namesOf({ requestId, claim }: Attempt): object {
  return { requestId, jobId: claim.uuid, type: claim.type, attempt: claim.attempt };
}

function keyOf({ id, attempt }: Claim): AttemptKey {
  return { id, attempt };
}

/** Removes what PostgreSQL's jsonb rejects: NUL characters and lone surrogates. */
function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

/**
 * Repeats a write while the database is unavailable, for WRITE_MS at most. If an earlier try was committed and only its
 * answer was lost, the repeated write matches no row and changes nothing.
 */
async function persist<T>(write: () => Promise<T>): Promise<T> {
  for (const began = performance.now(); ; await delay(100 + Math.random() * 400)) {
    try {
      return await write();
    } catch (error) {
      const isTransient = isConnectionFailure(error) || /^(08|53|55P03|57|40)/.test(sqlStateOf(error) ?? '');
      if (!isTransient || performance.now() - began > WRITE_MS) throw error;
    }
  }
}
