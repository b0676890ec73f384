// Deletes the oldest ended sessions of users who have more of them than SESSION_RETENTION_COUNT.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { RowTrimmer } from '../../common/repositories/row-trimmer.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { SessionSettings } from '../sessions.settings.js';
import { SessionsTrim } from './sessions-cleanup.jobs.js';

/** Sessions that expired or were not used are not among them: a login ends those beyond SESSION_QUOTA. */
const ENDED_SESSIONS = defineRetainedRows({
  table: 'sessions',
  owner: 'user_id',
  order: 'deleted_at',
  counted: 'deleted_at IS NOT NULL',
});

@Handles(SessionsTrim)
export class SessionsTrimHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly trimmer: RowTrimmer,
    private readonly settings: SessionSettings,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    return { trimmed: await this.trimmer.trim(ENDED_SESSIONS, { rows: this.settings.retentionCount }, signal) };
  }
}
