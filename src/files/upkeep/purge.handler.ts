// `files.purge`: releases the bytes of a deleted file after its retention.
import { BlobsRepository } from '../../storage/blobs/blobs.repository.js';
import { StorageLeases } from '../../storage/blobs/storage-leases.js';
import { Handles, type JobHandler, type JobResult } from '../../workers/job.js';
import { type FilePayload, PurgeFile } from '../files.jobs.js';
import { FilesRepository } from '../files.repository.js';
import { FileSettings } from '../files.settings.js';

@Handles(PurgeFile)
export class PurgeHandler implements JobHandler<FilePayload> {
  constructor(
    private readonly files: FilesRepository,
    private readonly blobs: BlobsRepository,
    private readonly leases: StorageLeases,
    private readonly settings: FileSettings,
  ) {}

  run({ fileId }: FilePayload): Promise<JobResult> {
    return this.purge(fileId, this.settings.retentionDays);
  }

  /** Releases the bytes of a file that was deleted `days` ago; removes them when no other file refers to them. Idempotent. */
  async purge(uuid: string, days: number): Promise<{ bytesRemoved: boolean }> {
    // Waits for the removal: the result says that the bytes are gone, and `files.tidy` purges one file after the other.
    const bytesRemoved = await this.leases.waitingForRemoval(async () => {
      const blobId = await this.files.detach(uuid, days);
      return blobId !== null && this.blobs.dropReference(blobId);
    });
    return { bytesRemoved };
  }
}
