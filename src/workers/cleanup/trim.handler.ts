// Deletes the oldest finished jobs of users who have more of them than JOB_RETENTION_COUNT, and of the system's types.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { RowTrimmer } from '../../common/repositories/row-trimmer.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../job.js';
import { JobSettings } from '../jobs.settings.js';
import type { NoPayload } from '../no-payload.js';
import { JobsTrim } from './cleanup.jobs.js';

/** Dead letters have a limit of their own (JobQueue), and stay until an administrator replays or discards them. */
const FINISHED = `finished_at IS NOT NULL AND (status <> 'FAILED' OR deleted_at IS NOT NULL)`;

const FINISHED_JOBS = defineRetainedRows({
  table: 'jobs',
  owner: 'owner_id',
  order: 'finished_at',
  counted: `owner_id IS NOT NULL AND ${FINISHED}`,
});

/** Jobs without an owner, by type: each file that a user deletes makes one. */
const FINISHED_SYSTEM_JOBS = defineRetainedRows({
  table: 'jobs',
  owner: 'type',
  order: 'finished_at',
  counted: `owner_id IS NULL AND ${FINISHED}`,
});
/** Far more than the schedules make within JOB_RETENTION, about 100 MB. */
const MAX_SYSTEM_JOBS = 100_000;

@Handles(JobsTrim)
export class JobsTrimHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly trimmer: RowTrimmer,
    private readonly settings: JobSettings,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    const ofUsers = await this.trimmer.trim(FINISHED_JOBS, { rows: this.settings.retentionCount }, signal);
    const ofSystem = await this.trimmer.trim(FINISHED_SYSTEM_JOBS, { rows: MAX_SYSTEM_JOBS }, signal);
    return { trimmed: ofUsers + ofSystem };
  }
}
