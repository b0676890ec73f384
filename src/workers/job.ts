// Declares kinds of jobs: `defineJob` describes one, `@Handles` marks the provider that runs it.
import { Injectable, type Type } from '@nestjs/common';
import { Cron } from 'croner';
import type { Permission } from '../common/access/permissions.js';
import type { AppError } from '../shared/libs/app-error.js';
import type { Backoff } from '../shared/libs/backoff.js';
import type { Owner } from '../common/access/permissions.js';
import type { ThreadKind } from './threads/thread-pools.js';

/** 5 is the most urgent, 1 the least urgent. */
export type JobPriority = 1 | 2 | 3 | 4 | 5;
/** A request for a higher priority needs the permission `jobs:prioritize`. */
export const NORMAL_PRIORITY: JobPriority = 3;

/** Times at which a job runs. `cron`: as in crontab(5); with six fields, the first one is seconds. `timeZone`: IANA name. */
export interface Schedule<P extends object> {
  cron: string;
  timeZone: string;
  payload: P;
}

export interface JobOptions<P extends object> {
  /** Unique in the application, like `report.pdf`. */
  name: string;
  /**
   * Jobs of one queue share workers. With RabbitMQ, `<RABBITMQ_QUEUE>.<queue>.dead` receives a message about each job that failed
   * for good.
   */
  queue: string;
  /** Class of the payload. The payload is validated on enqueue and again before each attempt. */
  payload: Type<P>;
  /**
   * Number of attempts before the job becomes a dead letter. Deaths of its worker may add some, unless max_attempts of the row is
   * 1 (reap.sql); giving the job back when the process stops (release.sql) and a replay raise max_attempts.
   */
  attempts: number;
  backoff: Backoff;
  /** Time limit of one attempt, ms. After it the signal aborts; the attempt fails unless its handler still returns within 5 s. */
  timeoutMs: number;
  /** True: no attempt follows a timeout, because a computation would take as long again. Default: false. */
  isTimeoutFinal?: boolean;
  priority?: JobPriority;
  /**
   * Number of jobs of this queue that one process runs at once, or the kind of thread that each of them needs: as many run as
   * there are threads, so that none waits for one while its timeout runs. All jobs of a queue must agree. Default:
   * JOB_CONCURRENCY.
   */
  concurrency?: number | ThreadKind;
  /** Queue for jobs of this type that turn out to be long (see LongJob), so that no short one waits for them. */
  longQueue?: LongQueue;
  schedule?: Schedule<P>;
  /**
   * Returns the unique key. While a job with the same key waits or runs, enqueue returns that job and creates none, and
   * POST /api/jobs answers 409. For jobs that users request, the key must contain the owner: otherwise another user could
   * block it.
   */
  uniqueKey?: (payload: P, owner: Owner | null) => string;
  /** The users who may request the job through POST /api/jobs. Default: no user. */
  requestable?: 'anyone' | Permission;
}

export interface LongQueue {
  readonly name: string;
  readonly concurrency: number | ThreadKind;
}

export interface JobDefinition<P extends object = object> extends Readonly<JobOptions<P>> {
  readonly priority: JobPriority;
}

/** The result of a job, as JSON. Null: no result. */
export type JobResult = Record<string, unknown> | null;

/** The view that a handler has of its attempt. */
export interface JobContext {
  /** UUID of the job. Use it as idempotency key for effects outside of the database, since attempts may repeat them. */
  readonly id: string;
  /** Number of this attempt, from 1. */
  readonly attempt: number;
  /** The queue that the job is in: that of its definition, or its `longQueue`. */
  readonly queue: string;
  readonly owner: Owner | null;
  /**
   * Aborts when the job is cancelled or times out, when another worker takes it over, when the process cannot extend the lease
   * in time (its database is unavailable), and when the process stops.
   */
  readonly signal: AbortSignal;
  /** Reports progress in percent, 0–100. The row is updated at most twice a second. */
  progress(percent: number): void;
  /**
   * Completes the job and runs `effects` in one transaction: both are committed once, or neither is. Throws AttemptLost
   * before it runs `effects` when the job was cancelled or taken back. `effects` may run again after a deadlock. Returns the result of
   * `effects`, which becomes the job's result. Without this call, the job completes when the handler returns, with the
   * handler's return value.
   */
  finish<R extends JobResult>(effects: () => Promise<R>): Promise<R>;
}

export interface JobHandler<P extends object> {
  run(payload: P, job: JobContext): Promise<JobResult | void>;
}

/** Thrown by a handler when a retry cannot help: the job becomes a dead letter at once. The owner may read its message. */
export class UnrecoverableError extends Error {
  constructor(override readonly cause: AppError) {
    super(cause.message, { cause });
    this.name = 'UnrecoverableError';
  }
}

/** Thrown by a handler that finds its work to be long: the job moves to its `longQueue`. The attempt does not count. */
export class LongJob extends Error {
  override name = 'LongJob';
}

const NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/;
const HANDLES = Symbol('handles');
const definitions = new Map<string, JobDefinition>();

/** Registers a job definition. Throws when the name is taken or a number is invalid. */
export function defineJob<P extends object>(options: JobOptions<P>): JobDefinition<P> {
  const { name, queue, longQueue, attempts, timeoutMs } = options;
  const concurrency = typeof options.concurrency === 'number' ? options.concurrency : 1;
  for (const one of [name, queue, longQueue?.name ?? queue])
    if (!NAME.test(one)) throw new Error(`Job ${name} in queue ${queue}: names are like report.pdf`);
  if (definitions.has(name)) throw new Error(`Job ${name} is defined twice. Give one of them another name.`);
  for (const number of [attempts, timeoutMs, concurrency])
    if (!Number.isInteger(number) || number < 1)
      throw new Error(`Job ${name}: attempts, timeoutMs and concurrency are whole numbers from 1 on, not ${number}.`);
  if (options.schedule) expectSchedule(name, options.schedule.cron, options.schedule.timeZone);
  const definition = Object.freeze({ priority: NORMAL_PRIORITY, ...options });
  definitions.set(name, definition as unknown as JobDefinition);
  return definition;
}

/** Returns every defined job by name. */
export function jobDefinitions(): ReadonlyMap<string, JobDefinition> {
  return definitions;
}

/** Marks the single provider that runs the job. */
export function Handles<P extends object>(definition: JobDefinition<P>) {
  return (target: Type<JobHandler<P>>): void => {
    Injectable()(target);
    Reflect.defineMetadata(HANDLES, definition, target);
  };
}

/** Returns the definition that a class handles; undefined when it handles none. */
export function handledBy(target: object): JobDefinition | undefined {
  return Reflect.getOwnMetadata(HANDLES, target) as JobDefinition | undefined;
}

function expectSchedule(name: string, cron: string, timezone: string): void {
  try {
    new Cron(cron, { timezone, paused: true }).nextRun();
  } catch (error) {
    throw new Error(`Job ${name}: the schedule "${cron}" in ${timezone} cannot be read: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
