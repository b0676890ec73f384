// Deletes links that expired or were revoked more than LINK_RETENTION ago.
import { FileSettings } from '../files.settings.js';
import { Clock } from '../../shared/libs/clock.js';
import { purgeOlderThan } from '../../workers/cleanup/cleanup.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
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
    const deleted = await purgeOlderThan(days, this.clock.now(), job, (range) => this.links.purge(range, days));
    return { deleted };
  }
}
