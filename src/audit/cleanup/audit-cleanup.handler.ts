// Deletes audit entries that are older than AUDIT_RETENTION.
import { AuditSettings } from '../audit.settings.js';
import { Clock } from '../../shared/libs/clock.js';
import { purgeOlderThan } from '../../workers/cleanup/cleanup.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { AuditRepository } from '../audit.repository.js';
import { AuditCleanup } from './audit-cleanup.jobs.js';

@Handles(AuditCleanup)
export class AuditCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly audit: AuditRepository,
    private readonly settings: AuditSettings,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.settings.retentionDays;
    const deleted = await purgeOlderThan(days, this.clock.now(), job, (range) => this.audit.purge(range, days));
    return { deleted };
  }
}
