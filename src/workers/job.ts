// What a kind of job is, in words: `defineJob` says everything but what it does, `@Handles` says who does it.
import { Injectable, type Type } from '@nestjs/common';
import { Cron } from 'croner';
import type { Permission } from '../common/access/permissions.js';
import type { AppError } from '../shared/libs/app-error.js';
import type { Backoff } from '../shared/libs/backoff.js';
import type { Owner } from '../common/access/permissions.js';

/** 1 waits for everything else, 5 goes first. */
export type JobPriority = 1 | 2 | 3 | 4 | 5;
/** Higher ones are for whoever has `jobs:prioritize`. */
export const NORMAL_PRIORITY: JobPriority = 3;

/** Runs by the clock: `cron` as in crontab(5), with seconds where there are six fields, in `timeZone` (IANA name). */
export interface Schedule<P extends object> {
  cron: string;
  timeZone: string;
  payload: P;
}

export interface JobOptions<P extends object> {
  /** Unique in the house, like `report.pdf`. */
  name: string;
  /** Jobs of one queue share workers; `<queue>.dead` takes those that cannot be done. */
  queue: string;
  /** Class of the payload: checked when a job is enqueued, and again when it is run. */
  payload: Type<P>;
  /** How often it is tried before it becomes a dead letter. */
  attempts: number;
  backoff: Backoff;
  /** After it the attempt's signal aborts and the attempt has failed, ms. */
  timeoutMs: number;
  priority?: JobPriority;
  /** How many of its queue one process runs at once; the jobs of a queue agree on it. Default: JOB_CONCURRENCY. */
  concurrency?: number;
  schedule?: Schedule<P>;
  /**
   * While a job with the same key waits or runs, enqueueing gives that one instead of another, and POST /api/jobs answers
   * 409. Of jobs that people ask for the key tells whose they are: else a stranger could take it.
   */
  uniqueKey?: (payload: P, owner: Owner | null) => string;
  /** Who may ask for it through POST /api/jobs; without it nobody. */
  requestable?: 'anyone' | Permission;
}

export interface JobDefinition<P extends object = object> extends Readonly<JobOptions<P>> {
  readonly priority: JobPriority;
}

/** What a job leaves behind, as JSON; null for nothing. */
export type JobResult = Record<string, unknown> | null;

/** What a handler knows of the attempt that it is. */
export interface JobContext {
  /** The job's UUID: also what makes effects outside of the database recognisable when they happen again. */
  readonly id: string;
  /** From 1. */
  readonly attempt: number;
  readonly owner: Owner | null;
  /** Aborts when the job is cancelled, timed out, taken over by somebody else, or when the process stops. */
  readonly signal: AbortSignal;
  /** 0–100; written to the row at most twice a second. */
  progress(percent: number): void;
  /**
   * Completes the job and runs `effects` in one transaction: both happen, once, or neither. A worker that was taken for
   * dead is refused before its effects begin. Gives what `effects` gave, which becomes the job's result. Without a call
   * the job completes when the handler returns, with what it returned.
   */
  finish<R extends JobResult>(effects: () => Promise<R>): Promise<R>;
}

export interface JobHandler<P extends object> {
  run(payload: P, job: JobContext): Promise<JobResult | void>;
}

/** Thrown by a handler: trying again is no use, the job is a dead letter at once. The owner may read the error's message. */
export class UnrecoverableError extends Error {
  constructor(override readonly cause: AppError) {
    super(cause.message, { cause });
    this.name = 'UnrecoverableError';
  }
}

const NAME = /^[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)*$/;
const HANDLES = Symbol('handles');
const definitions = new Map<string, JobDefinition>();

/** Throws when a name is taken or a number makes no sense. */
export function defineJob<P extends object>(options: JobOptions<P>): JobDefinition<P> {
  const { name, queue, attempts, timeoutMs, concurrency = 1 } = options;
  if (!NAME.test(name) || !NAME.test(queue))
    throw new Error(`Job ${name} in queue ${queue}: names are like report.pdf`);
  if (definitions.has(name)) throw new Error(`Job ${name} is defined twice. Give one of them another name.`);
  for (const number of [attempts, timeoutMs, concurrency])
    if (!Number.isInteger(number) || number < 1)
      throw new Error(`Job ${name}: attempts, timeoutMs and concurrency are whole numbers from 1 on, not ${number}.`);
  if (options.schedule) expectSchedule(name, options.schedule.cron, options.schedule.timeZone);
  const definition = Object.freeze({ priority: NORMAL_PRIORITY, ...options });
  definitions.set(name, definition as unknown as JobDefinition);
  return definition;
}

/** Every defined job by name. */
export function jobDefinitions(): ReadonlyMap<string, JobDefinition> {
  return definitions;
}

/** Marks the one provider that does the job. */
export function Handles<P extends object>(definition: JobDefinition<P>) {
  return (target: Type<JobHandler<P>>): void => {
    Injectable()(target);
    Reflect.defineMetadata(HANDLES, definition, target);
  };
}

/** What a class handles; undefined for classes that handle nothing. */
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
