// The users' jobs in words; who does them stands in handlers/.
import { IsUUID } from 'class-validator';
import { exponential } from '../shared/libs/backoff.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';

const common = { queue: 'users', attempts: 3, backoff: exponential(2_000), concurrency: 2 };

export class ImportUsersPayload {
  /** One of the owner's files. */
  @IsUUID()
  fileId!: string;
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
  payload: NoPayload,
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
