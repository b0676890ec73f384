// Requests and reads jobs, with the permission checks.
import { Injectable } from '@nestjs/common';
import { HttpErrors } from '../../common/http/http.errors.js';
import { type Actor, can } from '../../common/access/permissions.js';
import { PrivilegedAccess } from '../../common/access/privileged-access.js';
import type { Page } from '../../common/repositories/page.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Events } from '../../shared/events/events.js';
import { Clock } from '../../shared/libs/clock.js';
import type { CreateJobDto, ListJobsQuery } from './dto/job.dto.js';
import type { Job } from '../job.entity.js';
import { type JobDefinition, jobDefinitions, type JobPriority, NORMAL_PRIORITY } from '../job.js';
import { JobQueue } from '../job-queue.js';
import { JobRequested, PrivilegedJobRequested } from '../jobs.events.js';
import { JobErrors } from '../jobs.errors.js';
import { JobPermissions } from '../jobs.permissions.js';
import { JobsRepository } from '../engine/jobs.repository.js';
import { findVisible } from './visible-job.js';

const YEAR_MS = 366 * 86_400_000;

@Injectable()
export class JobsService {
  constructor(
    private readonly queue: JobQueue,
    private readonly jobs: JobsRepository,
    private readonly events: Events,
    private readonly access: PrivilegedAccess,
    private readonly clock: Clock,
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
      const event = job.requestable === 'anyone' ? JobRequested : PrivilegedJobRequested;
      await this.events.emit(event, { jobId: id, type }, { owner: actor.key, id });
      return findVisible(this.jobs, actor, id);
    });
  }

  /** Returns the job. Throws NOT_FOUND. */
  async get(actor: Actor, id: string): Promise<Job> {
    const job = await findVisible(this.jobs, actor, id);
    if (job.ownerUuid !== actor.id) await this.access.read(actor, JobPermissions.read, id);
    return job;
  }

  /** Lists the caller's jobs; with `all`, the jobs of all users. Throws FORBIDDEN. */
  async list(actor: Actor, query: ListJobsQuery): Promise<Page<Job>> {
    if (query.all) await this.access.read(actor, JobPermissions.read);
    return this.jobs.list(query, query.all ? null : actor);
  }
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
