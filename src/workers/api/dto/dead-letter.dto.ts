// DTOs of dead letters: request and response shapes, and the mappers.
import { ApiProperty } from '@nestjs/swagger';
import { IntField, TextField } from '../../../common/decorators/fields.decorator.js';
import { PageOf, PageQuery, SortField } from '../../../common/dto/page.dto.js';
import type { Job } from '../../job.entity.js';
import { redactPayload } from '../redact-payload.js';

/** Limit of one replay by filter, which is one transaction and one audit entry. */
const MAX_AT_ONCE = 1_000;

/** Filters that no index covers: finding a page may read many rows. */
export const SEARCH_FILTERS = ['queue', 'type', 'reason'] as const;

export class ListDeadLettersQuery extends PageQuery {
  @SortField(['-finishedAt', 'finishedAt'])
  sort = '-finishedAt';

  @TextField({ max: 100, optional: true, example: 'reports' })
  queue?: string;

  @TextField({ max: 100, optional: true, example: 'report.pdf' })
  type?: string;

  @TextField({ max: 50, optional: true, description: 'Code of the last failure', example: 'JOB_TIMED_OUT' })
  reason?: string;
}

export class ReplayDeadLettersDto {
  @TextField({ max: 100, optional: true, example: 'reports' })
  queue?: string;

  @TextField({ max: 100, optional: true, example: 'report.pdf' })
  type?: string;

  @TextField({ max: 50, optional: true, description: 'Code of the last failure', example: 'JOB_TIMED_OUT' })
  reason?: string;

  @IntField({ min: 1, max: MAX_AT_ONCE, optional: true, default: MAX_AT_ONCE, description: 'So many at most' })
  limit = MAX_AT_ONCE;
}

export class ReplayedDto {
  @ApiProperty({ type: 'integer', example: 42 })
  replayed!: number;

  @ApiProperty({ description: 'Whether the limit was reached: the same again replays the next ones' })
  more!: boolean;
}

export class DeadLetterDto {
  @ApiProperty({ format: 'uuid', description: "The job's" })
  id!: string;

  @ApiProperty({ example: 'report.pdf' })
  type!: string;

  @ApiProperty({ example: 'reports' })
  queue!: string;

  @ApiProperty({ type: String, nullable: true, example: 'JOB_TIMED_OUT', description: 'Code of the last failure' })
  reason!: string | null;

  @ApiProperty({
    type: String,
    nullable: true,
    description: 'Of the last failure',
    example: 'Not done within 60000 ms.',
  })
  message!: string | null;

  @ApiProperty({ type: 'integer', description: 'Number of attempts that have begun' })
  attempts!: number;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: "Null: the system's own" })
  ownerId!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'When it was given up' })
  finishedAt!: Date | null;

  @ApiProperty({ type: 'integer', example: 1, description: 'Also the ETag' })
  version!: number;
}

export class DeadLetterPage extends PageOf(DeadLetterDto) {}

class JobFailureDto {
  @ApiProperty({ type: 'integer', example: 3 })
  attempt!: number;

  @ApiProperty({ type: String, format: 'date-time' })
  at!: string;

  @ApiProperty({ example: 'JOB_TIMED_OUT', description: 'GET /problems/:code explains it' })
  code!: string;

  @ApiProperty({ example: 'Not done within 60000 ms.' })
  message!: string;
}

export class DeadLetterDetailsDto extends DeadLetterDto {
  @ApiProperty({ type: 'object', additionalProperties: true, description: 'What looks like a secret is `[redacted]`' })
  payload!: Record<string, unknown>;

  @ApiProperty({ type: [JobFailureDto], description: 'Of every failed attempt, the last 50, oldest first' })
  errors!: JobFailureDto[];

  @ApiProperty({
    type: String,
    nullable: true,
    description:
      'Id of the request that enqueued the job; the log lines of that request and of the attempts contain it. Null: no request enqueued it, and the log lines of the attempts contain `id` instead',
  })
  requestId!: string | null;
}

export function toDeadLetterDto(job: Job): DeadLetterDto {
  return {
    id: job.uuid,
    type: job.type,
    queue: job.queue,
    reason: job.reason,
    message: job.errors.at(-1)?.message ?? null,
    attempts: job.attempt,
    ownerId: job.ownerUuid,
    createdAt: job.createdAt,
    finishedAt: job.finishedAt,
    version: job.version,
  };
}

export function toDeadLetterDetailsDto(job: Job): DeadLetterDetailsDto {
  return {
    ...toDeadLetterDto(job),
    payload: redactPayload(job.payload),
    errors: job.errors.map(({ attempt, at, code, message }) => ({ attempt, at, code, message })),
    requestId: job.requestId,
  };
}
