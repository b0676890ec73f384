// Job definitions of users. The handlers are in the folders export, import and statistics.
import { IsBoolean, IsIn, IsUUID, ValidateIf } from 'class-validator';
import { UserPermissions } from './users.policy.js';
import { exponential } from '../shared/libs/backoff.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';
import { CSV_ENCODINGS, type CsvEncoding } from '../shared/libs/csv/csv-decoder.js';

const common = { queue: 'users', attempts: 3, backoff: exponential(2_000), concurrency: 'data' } as const;

export class ImportUsersPayload {
  /** UUID of one of the owner's files. */
  @IsUUID()
  fileId!: string;

  /** Encoding of a file without byte order mark. Default: UTF-8. */
  @ValidateIf((_, value) => value !== undefined)
  @IsIn(CSV_ENCODINGS)
  encoding?: CsvEncoding;
}

export class ExportUsersPayload {
  /** Starts the file with a byte order mark; without it, Excel reads UTF-8 as windows-1252. */
  @ValidateIf((_, value) => value !== undefined)
  @IsBoolean()
  bom?: boolean;
}

/** Counts all users that are not deleted; the statistics are the job's result. */
export const CountUsers = defineJob({
  ...common,
  name: 'users.statistics',
  payload: NoPayload,
  timeoutMs: 120_000,
  requestable: UserPermissions.read,
});

/** Exports all users that are not deleted to a CSV file. */
export const ExportUsers = defineJob({
  ...common,
  name: 'users.export',
  payload: ExportUsersPayload,
  timeoutMs: 600_000,
  requestable: UserPermissions.read,
});

/** Adds the users of a CSV file, and writes the rejected rows with their reasons to another file. */
export const ImportUsers = defineJob({
  ...common,
  name: 'users.import',
  payload: ImportUsersPayload,
  timeoutMs: 600_000,
  requestable: UserPermissions.write,
});
