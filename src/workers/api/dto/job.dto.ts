// DTOs of jobs: request and response shapes, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import {
  BooleanQuery,
  EnumField,
  IntField,
  ObjectField,
  TextField,
  TimeField,
} from '../../../common/decorators/fields.decorator.js';
import { PageOf, PageQuery, SortField } from '../../../common/dto/page.dto.js';
import { type Job, JOB_STATUSES, type JobFailure, type JobStatus } from '../../job.entity.js';
import type { JobResult } from '../../job.js';
import { JobErrors } from '../../jobs.errors.js';

export class CreateJobDto {
  @TextField({ max: 100, example: 'report.pdf' })
  type!: string;

  @ObjectField({ optional: true, description: 'What the type needs', example: {} })
  payload?: Record<string, unknown>;

  @TimeField({ optional: true, description: 'Not before, at most a year ahead; default: now' })
  runAt?: Date;

  @IntField({
    min: 1,
    max: 5,
    optional: true,
    description:
      '1 (waits for all others) to 5 (goes first). Default: 3; above it the permission `jobs:prioritize` is needed',
  })
  priority?: number;
}

/** Filters that no index covers: finding a page may read many rows. */
export const SEARCH_FILTERS = ['status', 'type', 'queue'] as const;

export class ListJobsQuery extends PageQuery {
  @SortField(['-createdAt', 'createdAt'])
  sort = '-createdAt';

  @EnumField({ name: 'JobStatus', values: JOB_STATUSES, optional: true })
  status?: JobStatus;

  @TextField({ max: 100, optional: true })
  type?: string;

  @TextField({ max: 100, optional: true })
  queue?: string;

  @BooleanQuery({ description: "Administrators: the jobs of all users, and the system's own" })
  all?: boolean;
}

class JobErrorDto {
  @ApiProperty({ example: 'JOB_TIMED_OUT', description: 'GET /problems/:code explains it' })
  code!: string;

  @ApiProperty({ example: 'Not done within 60000 ms.' })
  message!: string;
}

export class JobDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ example: 'report.pdf' })
  type!: string;

  @ApiProperty({ example: 'reports' })
  queue!: string;

  @ApiProperty({ enum: JOB_STATUSES, enumName: 'JobStatus', example: 'RUNNING' })
  status!: JobStatus;

  @ApiProperty({ type: 'integer', minimum: 0, maximum: 100 })
  progress!: number;

  @ApiProperty({ type: 'integer', description: 'Number of attempts that have begun' })
  attempts!: number;

  @ApiProperty({
    type: 'integer',
    description:
      'The job becomes FAILED when this many attempts have failed. After deaths of its worker there may be more: usually one, and one for each time that the job waited ten minutes to run alone. An attempt that a stopping worker gives back, a move to a queue for long jobs, and a replay raise this number',
  })
  maxAttempts!: number;

  @ApiProperty({ type: 'integer', minimum: 1, maximum: 5 })
  priority!: number;

  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true, description: 'What it left behind' })
  result!: JobResult;

  @ApiProperty({
    type: JobErrorDto,
    nullable: true,
    description: 'Of the last attempt that failed; null once it has succeeded',
  })
  error!: JobErrorDto | null;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: "Null: the system's own" })
  ownerId!: string | null;

  @ApiProperty({ format: 'date-time', description: 'Not begun before' })
  runAt!: Date;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: Date;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  finishedAt!: Date | null;

  @ApiProperty({ type: 'integer', example: 1, description: 'Also the ETag' })
  version!: number;
}

export class JobPage extends PageOf(JobDto) {}

export function toJobDto(job: Job): JobDto {
  const failure = job.status === 'SUCCEEDED' ? undefined : job.errors.at(-1);
  return {
    id: job.uuid,
    type: job.type,
    queue: job.queue,
    status: job.status,
    progress: job.progress,
    attempts: job.attempt,
    maxAttempts: job.maxAttempts,
    priority: job.priority,
    result: job.result,
    error: failure ? toErrorDto(failure) : null,
    ownerId: job.ownerUuid,
    runAt: job.runAt,
    createdAt: job.createdAt,
    updatedAt: job.updatedAt,
    finishedAt: job.finishedAt,
    version: job.version,
  };
}

/** Hides the message of internal errors; administrators see it in the dead letters. */
function toErrorDto({ code, message, isPublic }: JobFailure): JobErrorDto {
  return { code, message: isPublic ? message : JobErrors.HANDLER_FAILED().message };
}
