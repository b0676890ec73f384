// Deletes jobs that are over for longer than JOB_RETENTION.
import { AppConfig } from '../../shared/config/app-config.js';
import { Clock } from '../../shared/libs/clock.js';
import { SNOWFLAKE_EPOCH } from '../../shared/services/database/snowflake-ids.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../job.js';
import { JobsRepository } from '../jobs.repository.js';
import type { NoPayload } from '../no-payload.js';
import { JobsCleanup } from './cleanup.jobs.js';

/** Of one statement: others wait for its locks no longer than a moment, and what is deleted stays deleted. */
const BATCH = 1_000;
const DAY_MS = 86_400_000;
/** Of a snowflake: instance and sequence are below its milliseconds. */
const TIME_SHIFT = 22n;

@Handles(JobsCleanup)
export class JobsCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.config.jobs.retentionDays;
    const end = this.clock.now() - days * DAY_MS - SNOWFLAKE_EPOCH;
    const below = (BigInt(Math.max(0, end)) << TIME_SHIFT).toString();
    let deleted = 0;
    let begin: number | undefined;
    for (let after: string | null = '0'; after !== null;) {
      job.signal.throwIfAborted();
      const batch = await this.jobs.sweep(after, below, days, BATCH);
      deleted += batch.deleted;
      after = batch.last;
      if (after === null) break;
      begin ??= timeOf(after);
      job.progress((100 * (timeOf(after) - begin)) / Math.max(1, end - begin));
    }
    await this.jobs.deleteOldCounts();
    return { deleted };
  }
}

/** Milliseconds since the snowflakes' epoch. */
function timeOf(id: string): number {
  return Number(BigInt(id) >> TIME_SHIFT);
}
