// Deletes sessions that ended more than SESSION_RETENTION ago.
import { AppConfig } from '../../shared/config/app-config.js';
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
    private readonly config: AppConfig,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.config.retention.sessionDays;
    const { sessionIdleTtl } = this.config.auth;
    const deleted = await purgeOlderThan(days, this.clock.now(), job, (range) =>
      this.sessions.purge(range, days, sessionIdleTtl),
    );
    return { deleted };
  }
}
