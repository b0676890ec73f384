// Deletes sessions that ended more than SESSION_RETENTION ago.
import { SessionSettings } from '../sessions.settings.js';
import { Clock } from '../../shared/libs/clock.js';
import { purgeOlderThan } from '../../workers/cleanup/cleanup.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { SessionsRepository } from '../sessions.repository.js';
import { SessionsCleanup } from './sessions-cleanup.jobs.js';

@Handles(SessionsCleanup)
export class SessionsCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly settings: SessionSettings,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.settings.retentionDays;
    const { idleTtl } = this.settings;
    const deleted = await purgeOlderThan(days, this.clock.now(), job, (range) =>
      this.sessions.purge(range, days, idleTtl),
    );
    return { deleted };
  }
}
