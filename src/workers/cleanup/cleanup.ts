// Common parts of the jobs that delete what ended: cleanups by age once a day, and trims by number every few minutes.
import type { KeyRange, Purged } from '../../common/repositories/base.repository.js';
import { exponential } from '../../shared/libs/backoff.js';
import { firstIdAt, timeOfId } from '../../shared/database/snowflake-ids.js';
import { defineJob, type JobContext, type JobDefinition } from '../job.js';
import { NoPayload } from '../no-payload.js';

/** Rows per statement: its locks are short, and each batch is committed on its own. */
const BATCH = 1_000;
const DAY_MS = 86_400_000;

/** Defines a cleanup job. `cron` is in UTC. */
export function defineCleanup(name: string, cron: string): JobDefinition<NoPayload> {
  return defineJob<NoPayload>({
    name,
    queue: 'maintenance',
    payload: NoPayload,
    attempts: 3,
    backoff: exponential(60_000),
    timeoutMs: 3_600_000,
    priority: 1,
    concurrency: 1,
    schedule: { cron, timeZone: 'UTC', payload: {} },
    uniqueKey: () => 'one',
  });
}

/**
 * Defines a job that deletes what owners left beyond their limits. Between two runs an owner may leave as much as its request
 * limit allows, so it runs often, and in a queue of its own: a cleanup may take an hour. `minute`: 0-4, the offset of its runs.
 */
export function defineTrim(name: string, minute: number): JobDefinition<NoPayload> {
  return defineJob<NoPayload>({
    name,
    queue: 'trims',
    payload: NoPayload,
    attempts: 3,
    backoff: exponential(5_000),
    timeoutMs: 3_600_000,
    concurrency: 1,
    schedule: { cron: `${minute}-59/5 * * * *`, timeZone: 'UTC', payload: {} },
    uniqueKey: () => 'one',
  });
}

/**
 * Calls `purge` for consecutive key ranges, so that each row of at least `days` of age is visited once: keys grow with
 * time. `now`: milliseconds since 1970. Returns the number of deleted rows.
 */
export async function purgeOlderThan(
  days: number,
  now: number,
  job: JobContext,
  purge: (range: KeyRange) => Promise<Purged>,
): Promise<number> {
  const end = now - days * DAY_MS;
  let deleted = 0;
  let begin: number | undefined;
  for (let after: string | null = '0'; after !== null;) {
    job.signal.throwIfAborted();
    const purged = await purge({ after, below: firstIdAt(end), limit: BATCH });
    deleted += purged.deleted;
    after = purged.last;
    if (after === null) break;
    begin ??= timeOfId(after);
    job.progress((100 * (timeOfId(after) - begin)) / Math.max(1, end - begin));
  }
  return deleted;
}
