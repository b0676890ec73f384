// Deletes files softly and restores them; both change the usage of the owner.
import { Injectable } from '@nestjs/common';
import type { Owner } from '../common/access/permissions.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import { Transaction } from '../shared/database/transaction.js';
import { BucketsRepository } from '../storage/buckets/buckets.repository.js';
import { usageKey, UsagesRepository } from '../storage/usages.repository.js';
import { JobQueue } from '../workers/job-queue.js';
import type { FileEntity } from './file.entity.js';
import { FileErrors } from './files.errors.js';
import { PurgeFile } from './files.jobs.js';
import { FilesRepository } from './files.repository.js';
import { FileSettings } from './files.settings.js';

@Injectable()
export class FileDeletion {
  constructor(
    private readonly files: FilesRepository,
    private readonly usages: UsagesRepository,
    private readonly buckets: BucketsRepository,
    private readonly transaction: Transaction,
    private readonly jobs: JobQueue,
    private readonly settings: FileSettings,
  ) {}

  /**
   * Deletes a file. Its quota is free at once; a job removes the bytes. With FILE_RETENTION that is `files.tidy`: a waiting job
   * for each deleted file would be a row that no limit counts. Throws NOT_FOUND, VERSION_STALE.
   */
  async delete(owner: Owner, uuid: string, expected: ExpectedVersions): Promise<void> {
    const remove = async (): Promise<void> => {
      const { bucket, size } = await this.files.deleteOwned(owner, uuid, expected);
      await this.usages.giveBack(owner, bucket, size, 1);
      await this.files.forgetUploadMetadata(uuid);
      if (this.settings.retentionDays === 0) await this.jobs.enqueue(PurgeFile, { fileId: uuid });
    };
    await this.transaction.runInTurn(usageKey(owner), remove);
  }

  /** Restores a deleted file of any owner. Throws NOT_FOUND, PURGED, QUOTA_EXCEEDED. */
  async restore(uuid: string): Promise<FileEntity> {
    return this.transaction.run(async () => {
      const file = await this.files.undelete(uuid);
      if (file.blobId === null) throw FileErrors.PURGED(uuid);
      const owner = { id: file.ownerUuid, key: file.ownerId };
      await this.usages.charge(owner, await this.buckets.getNamed(file.bucket), file.size, 1);
      return file;
    });
  }
}
