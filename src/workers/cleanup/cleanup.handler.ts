// Deletes jobs that ended more than JOB_RETENTION ago.
import { JobSettings } from '../jobs.settings.js';
import { Clock } from '../../shared/libs/clock.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../job.js';
import { JobsRepository } from '../engine/jobs.repository.js';
import type { NoPayload } from '../no-payload.js';
import { JobsCleanup } from './cleanup.jobs.js';
import { purgeOlderThan } from './cleanup.js';

@Handles(JobsCleanup)
export class JobsCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly jobs: JobsRepository,
    private readonly settings: JobSettings,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.settings.retentionDays;
    const deleted = await purgeOlderThan(days, this.clock.now(), job, (range) => this.jobs.sweep(range, days));
    await this.jobs.deleteOldCounts();
    return { deleted };
  }
}
