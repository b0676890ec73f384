// Removes the oldest deleted tasks of users who have more of them than TASK_RETENTION_COUNT.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { RowTrimmer } from '../../common/repositories/row-trimmer.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { TasksTrim } from '../tasks.jobs.js';
import { TaskSettings } from '../tasks.settings.js';

const DELETED_TASKS = defineRetainedRows({
  table: 'tasks',
  owner: 'owner_id',
  order: 'deleted_at',
  counted: 'deleted_at IS NOT NULL',
});

@Handles(TasksTrim)
export class TasksTrimHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly trimmer: RowTrimmer,
    private readonly settings: TaskSettings,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    return { trimmed: await this.trimmer.trim(DELETED_TASKS, { rows: this.settings.retentionCount }, signal) };
  }
}
