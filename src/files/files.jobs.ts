// Job definitions of files. The handlers are in the folders of their features.
import { IsUUID } from 'class-validator';
import { exponential } from '../shared/libs/backoff.js';
import { defineTrim } from '../workers/cleanup/cleanup.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';

export class FilePayload {
  @IsUUID()
  fileId!: string;
}

/** Releases the bytes of a deleted file; removes them when no other file refers to them. */
export const PurgeFile = defineJob({
  name: 'files.purge',
  queue: 'files',
  payload: FilePayload,
  attempts: 5,
  backoff: exponential(5_000),
  timeoutMs: 60_000,
  concurrency: 4,
});

/** Makes thumbnails of an image of the owner. Refuses files that are not images, and images that are too large. */
export const MakeThumbnails = defineJob({
  name: 'file.thumbnail',
  queue: 'thumbnails',
  payload: FilePayload,
  attempts: 3,
  backoff: exponential(2_000),
  timeoutMs: 60_000,
  concurrency: 3, // one owner has at most two of them
  requestable: 'anyone',
  uniqueKey: ({ fileId }, owner) => `${owner?.id}/${fileId}`, // with the owner: otherwise another user could block the key
});

/** Removes expired resumable uploads. */
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

export const UploadsTrim = defineTrim('uploads.trim', 4);
