// `files.purge`: releases the bytes of a deleted file after its retention.
import { Handles, type JobHandler, type JobResult } from '../../workers/job.js';
import { type FilePayload, PurgeFile } from '../files.jobs.js';
import { FilesService } from '../files.service.js';

@Handles(PurgeFile)
export class PurgeHandler implements JobHandler<FilePayload> {
  constructor(private readonly files: FilesService) {}

  run({ fileId }: FilePayload): Promise<JobResult> {
    return this.files.purge(fileId);
  }
}
