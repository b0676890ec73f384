// Purges tasks that were deleted more than TASK_RETENTION ago.
import { TaskSettings } from '../tasks.settings.js';
import { Clock } from '../../shared/libs/clock.js';
import { purgeOlderThan } from '../../workers/cleanup/cleanup.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { TasksCleanup } from '../tasks.jobs.js';
import { TasksRepository } from '../tasks.repository.js';

@Handles(TasksCleanup)
export class TasksCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly tasks: TasksRepository,
    private readonly settings: TaskSettings,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.settings.retentionDays;
    const deleted = await purgeOlderThan(days, this.clock.now(), job, (range) => this.tasks.purge(range, days));
    return { deleted };
  }
}
