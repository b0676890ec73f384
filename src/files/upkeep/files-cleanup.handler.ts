// `files.cleanup`: deletes the rows of files whose bytes were purged more than PURGED_FILE_DAYS ago.
import { Clock } from '../../shared/libs/clock.js';
import { purgeOlderThan } from '../../workers/cleanup/cleanup.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { FilesRepository } from '../files.repository.js';
import { PURGED_FILE_DAYS } from '../purged-files.js';
import { FilesCleanup } from './upkeep.jobs.js';

@Handles(FilesCleanup)
export class FilesCleanupHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly files: FilesRepository,
    private readonly clock: Clock,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const deleted = await purgeOlderThan(PURGED_FILE_DAYS, this.clock.now(), job, (range) =>
      this.files.deletePurged(range),
    );
    return { deleted };
  }
}
