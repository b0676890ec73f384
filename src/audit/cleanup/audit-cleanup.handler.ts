// Deletes audit entries that are older than AUDIT_RETENTION.
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { AuditRepository } from '../audit.repository.js';
import { AuditSettings } from '../audit.settings.js';
import { AuditCleanup } from './audit-cleanup.jobs.js';

@Handles(AuditCleanup)
export class AuditCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly audit: AuditRepository,
    private readonly settings: AuditSettings,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    let deleted = 0;
    for (;;) {
      signal.throwIfAborted();
      const batch = await this.audit.purge(this.settings.retentionDays);
      if (batch === 0) return { deleted };
      deleted += batch;
    }
  }
}
