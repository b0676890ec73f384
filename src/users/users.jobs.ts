// The users' jobs in words; who does them stands in handlers/.
import { IsBoolean, IsIn, IsUUID, ValidateIf } from 'class-validator';
import { exponential } from '../shared/libs/backoff.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';
import { CSV_ENCODINGS, type CsvEncoding } from '../shared/libs/csv/csv-decoder.js';

const common = { queue: 'users', attempts: 3, backoff: exponential(2_000), concurrency: 2 };

export class ImportUsersPayload {
  /** One of the owner's files. */
  @IsUUID()
  fileId!: string;

  /** Of a file without a byte order mark; default UTF-8. */
  @ValidateIf((_, value) => value !== undefined)
  @IsIn(CSV_ENCODINGS)
  encoding?: CsvEncoding;
}

export class ExportUsersPayload {
  /** Begin with a byte order mark, without which Excel takes UTF-8 for windows-1252. */
  @ValidateIf((_, value) => value !== undefined)
  @IsBoolean()
  bom?: boolean;
}

/** Counts all living users; the numbers are the job's result. */
export const CountUsers = defineJob({
  ...common,
  name: 'users.statistics',
  payload: NoPayload,
  timeoutMs: 120_000,
  requestable: 'users:read',
});

/** All living users as a CSV file. */
export const ExportUsers = defineJob({
  ...common,
  name: 'users.export',
  payload: ExportUsersPayload,
  timeoutMs: 600_000,
  requestable: 'users:read',
});

/** Adds the users of a CSV file, and says in another file which rows it could not take, and why. */
export const ImportUsers = defineJob({
  ...common,
  name: 'users.import',
  payload: ImportUsersPayload,
  timeoutMs: 600_000,
  requestable: 'users:write',
});
