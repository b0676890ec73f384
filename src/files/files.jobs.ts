// The files' jobs in words; who does them stands in the folders of what they are about.
import { IsUUID } from 'class-validator';
import { exponential } from '../shared/libs/backoff.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';

export class FilePayload {
  @IsUUID()
  fileId!: string;
}

/** The reference of a deleted file to its bytes ends, and with the last reference the bytes. */
export const PurgeFile = defineJob({
  name: 'files.purge',
  queue: 'files',
  payload: FilePayload,
  attempts: 5,
  backoff: exponential(5_000),
  timeoutMs: 60_000,
  concurrency: 4,
});

/** Small pictures of an image of the owner's; what is no image, or too large a one, is refused. */
export const MakeThumbnails = defineJob({
  name: 'file.thumbnail',
  queue: 'thumbnails',
  payload: FilePayload,
  attempts: 3,
  backoff: exponential(2_000),
  timeoutMs: 60_000,
  concurrency: 2,
  requestable: 'anyone',
  uniqueKey: ({ fileId }, owner) => `${owner?.id}/${fileId}`, // by whom: else a stranger's job could stand in the way
});

/** Resumable uploads whose time is over are removed. */
export const SweepUploads = defineJob<NoPayload>({
  name: 'uploads.sweep',
  queue: 'files',
  payload: NoPayload,
  attempts: 3,
  backoff: exponential(60_000),
  timeoutMs: 600_000,
  priority: 1,
  concurrency: 4,
  schedule: { cron: '*/10 * * * *', timeZone: 'UTC', payload: {} },
  uniqueKey: () => 'one',
});
