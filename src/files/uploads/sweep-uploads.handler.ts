// `uploads.sweep`: removes expired uploads, with their bytes and their reserved space.
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { SweepUploads } from '../files.jobs.js';
import { UploadLocks } from './upload-locks.js';
import { UploadsRepository } from './uploads.repository.js';
import { UploadsService } from './uploads.service.js';

const BATCH = 100;

@Handles(SweepUploads)
export class SweepUploadsHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly uploads: UploadsRepository,
    private readonly service: UploadsService,
    private readonly locks: UploadLocks,
  ) {}

  /** Skips uploads that a request is working on: the next sweep removes them. */
  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    let removed = 0;
    for (let before = -1; removed > before;) {
      before = removed;
      for (const id of await this.uploads.listExpired(BATCH)) {
        signal.throwIfAborted();
        if (await this.locks.ifFree(id, () => this.service.remove(id))) removed++;
      }
    }
    await this.locks.sweep();
    return { removed };
  }
}
