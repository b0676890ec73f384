// Deletes links that expired or were revoked more than LINK_RETENTION ago, and links to files that are gone.
import { FileSettings } from '../files.settings.js';
import { Clock } from '../../shared/libs/clock.js';
import { purgeOlderThan } from '../../workers/cleanup/cleanup.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { PURGED_FILE_DAYS } from '../purged-files.js';
import { LinksCleanup } from './links.jobs.js';
import { LinksRepository } from './links.repository.js';

@Handles(LinksCleanup)
export class LinksCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly links: LinksRepository,
    private readonly settings: FileSettings,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const days = this.settings.linkRetentionDays;
    // Reads links younger than LINK_RETENTION too: their files may be gone.
    const deleted = await purgeOlderThan(PURGED_FILE_DAYS, this.clock.now(), job, (range) =>
      this.links.purge(range, days),
    );
    return { deleted };
  }
}
