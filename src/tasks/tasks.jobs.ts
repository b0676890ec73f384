// The tasks' jobs in words; who does them stands in handlers/.
import { exponential } from '../shared/libs/backoff.js';
import { defineCleanup } from '../workers/cleanup/cleanup.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';

/** The caller's tasks as a PDF, kept as a file. One at a time for each owner: the next would show the same. */
export const RenderTaskReport = defineJob({
  name: 'report.pdf',
  queue: 'reports',
  payload: NoPayload,
  attempts: 3,
  backoff: exponential(2_000),
  timeoutMs: 120_000,
  concurrency: 4,
  requestable: 'anyone',
  uniqueKey: (_payload, owner) => owner?.id ?? '',
});

export const TasksCleanup = defineCleanup('tasks.cleanup', '57 3 * * *');
