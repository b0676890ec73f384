// Keeping the jobs' tables small, as a job.
import { exponential } from '../../shared/libs/backoff.js';
import { defineJob } from '../job.js';
import { NoPayload } from '../no-payload.js';

export const JobsCleanup = defineJob<NoPayload>({
  name: 'jobs.cleanup',
  queue: 'maintenance',
  payload: NoPayload,
  attempts: 3,
  backoff: exponential(60_000),
  timeoutMs: 3_600_000,
  priority: 1,
  concurrency: 1,
  schedule: { cron: '17 3 * * *', timeZone: 'UTC', payload: {} },
  uniqueKey: () => 'one',
});
