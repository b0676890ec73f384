// Requests, reads and cancels jobs, with the permission checks.
import { Inject, Injectable } from '@nestjs/common';
import { type ExpectedVersions, expectVersion } from '../../common/repositories/expected-versions.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import { type Actor, can, type Owner } from '../../common/access/permissions.js';
import type { Page } from '../../common/repositories/page.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Clock } from '../../shared/libs/clock.js';
import { Signals } from '../../shared/pubsub/signals.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import type { CreateJobDto, ListJobsQuery } from './dto/job.dto.js';
import type { Job } from '../job.entity.js';
import { type JobDefinition, jobDefinitions, type JobPriority, NORMAL_PRIORITY } from '../job.js';
import { JobQueue } from '../job-queue.js';
import { JobErrors } from '../jobs.errors.js';
import { JobPermissions } from '../jobs.permissions.js';
import { JobsRepository } from '../engine/jobs.repository.js';
import { CANCEL_TOPIC } from '../engine/heartbeats.js';
import { JobOutcomes } from '../engine/job-outcomes.js';

const YEAR_MS = 366 * 86_400_000;

@Injectable()
export class JobsService {
  constructor(
    private readonly queue: JobQueue,
    private readonly jobs: JobsRepository,
    private readonly signals: Signals,
    private readonly outcomes: JobOutcomes,
    private readonly clock: Clock,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Enqueues a job. Throws TYPE_UNKNOWN, FORBIDDEN, UNFINISHED, QUOTA_EXCEEDED, VALIDATION_FAILED with the payload's fields. */
  async request(actor: Actor, { type, payload, runAt, priority }: CreateJobDto): Promise<Job> {
    const job = requestable(actor, type);
    if ((priority ?? 0) > NORMAL_PRIORITY && !can(actor, JobPermissions.prioritize))
      throw HttpErrors.FORBIDDEN(JobPermissions.prioritize);
    if (runAt && runAt.getTime() > this.clock.now() + YEAR_MS) throw tooLate();
    const options = { owner: actor, ...(runAt && { runAt }), ...(priority && { priority: priority as JobPriority }) };
    return this.jobs.enqueueing(actor, async () => {
      await this.queue.expectSpaceFor(actor);
      const { id, isNew } = await this.queue.enqueue(job, payload ?? {}, options).catch((error: unknown) => {
        throw inPayload(error);
      });
      if (!isNew) throw JobErrors.UNFINISHED(type, id).withHeader('Location', `/api/jobs/${id}`);
      return this.get(actor, id);
    });
  }

  /** Returns the job. Throws NOT_FOUND. */
  async get(actor: Actor, id: string): Promise<Job> {
    const job = await this.jobs.find(id, scopeOf(actor));
    if (!job) throw JobErrors.NOT_FOUND(id);
    return job;
  }

  /** Lists the caller's jobs; with `all`, the jobs of all users. Throws FORBIDDEN. */
  list(actor: Actor, query: ListJobsQuery): Promise<Page<Job>> {
    if (query.all && !can(actor, JobPermissions.read)) throw HttpErrors.FORBIDDEN(JobPermissions.read);
    return this.jobs.list(query, query.all ? null : actor);
  }

  /**
   * Cancels a job. After this resolves, the job has no further effects in the database. A signal aborts the attempt in its
   * process; without the signal, its next heartbeat aborts it. Throws NOT_FOUND, FINISHED, VERSION_STALE.
   */
  async cancel(actor: Actor, id: string, expected: ExpectedVersions = null): Promise<void> {
    const job = await this.get(actor, id);
    if (!(await this.jobs.cancel(id, scopeOf(actor), expected))) {
      const { status, version } = await this.get(actor, id);
      expectVersion(expected, version);
      throw JobErrors.FINISHED(status);
    }
    await this.signals
      .send(CANCEL_TOPIC, id)
      .catch((error: unknown) => this.logger.warn({ err: error }, 'Failed to signal the cancellation of a job'));
    await this.outcomes.cancelled({ uuid: id, owner_uuid: job.ownerUuid, type: job.type, queue: job.queue });
  }
}

/** Returns null for administrators, who may see and cancel the jobs of all users. */
function scopeOf(actor: Actor): Owner | null {
  return can(actor, JobPermissions.read) ? null : actor;
}

function requestable(actor: Actor, type: string): JobDefinition {
  const job = jobDefinitions().get(type);
  if (!job?.requestable) throw JobErrors.TYPE_UNKNOWN(type);
  if (job.requestable !== 'anyone' && !can(actor, job.requestable)) throw HttpErrors.FORBIDDEN(job.requestable);
  return job;
}

function tooLate(): AppError {
  const message = 'runAt must be at most a year ahead';
  return HttpErrors.VALIDATION_FAILED(message).withFields([{ field: 'runAt', rule: 'maxDate', message }]);
}

/** Prefixes field names: an error in `fileId` of the payload is one in `payload.fileId` of the body. */
function inPayload(error: unknown): unknown {
  if (!(error instanceof AppError) || error.code !== HttpErrors.VALIDATION_FAILED.code) return error;
  const fields = error.errors.map(({ field, rule, message }) => {
    const path = `payload.${field}`;
    return { field: path, rule, message: message.replace(field, path) };
  });
  return HttpErrors.VALIDATION_FAILED(fields.map(({ message }) => message).join('; ')).withFields(fields);
}
