// Job definitions of tasks. The handlers are in the folders report and cleanup.
import { exponential } from '../shared/libs/backoff.js';
import { defineCleanup, defineTrim } from '../workers/cleanup/cleanup.js';
import { defineJob } from '../workers/job.js';
import { NoPayload } from '../workers/no-payload.js';

/**
 * Renders the owner's tasks as a PDF file. One job at a time per owner, since a second one would show the same. A report of
 * many tasks takes a minute of a thread, so it waits in a queue of its own.
 */
export const RenderTaskReport = defineJob({
  name: 'report.pdf',
  queue: 'reports',
  payload: NoPayload,
  attempts: 3,
  backoff: exponential(2_000),
  timeoutMs: 120_000,
  isTimeoutFinal: true,
  concurrency: 'render',
  longQueue: { name: 'long-reports', concurrency: 'longRender' },
  requestable: 'anyone',
  uniqueKey: (_payload, owner) => owner?.id ?? '',
});

export const TasksCleanup = defineCleanup('tasks.cleanup', '57 3 * * *');

export const TasksTrim = defineTrim('tasks.trim', 0);
