// Operations on files: list, open, rename, delete, restore and purge.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import type { Page } from '../common/repositories/page.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { type Actor, can, DeletedPermissions, type Owner } from '../common/access/permissions.js';
import { FileSettings } from './files.settings.js';
import { Clock } from '../shared/libs/clock.js';
import { Transaction } from '../shared/database/transaction.js';
import { JobQueue } from '../workers/job-queue.js';
import { BlobStore } from '../storage/blobs/blob-store.js';
import { BlobsRepository, type KnownBlob } from '../storage/blobs/blobs.repository.js';
import { StorageLeases } from '../storage/blobs/storage-leases.js';
import { BucketsRepository } from '../storage/buckets/buckets.repository.js';
import type { Content } from './content/content.service.js';
import { type ListFilesQuery, toUsageDto, type UsageDto } from './dto/file.dto.js';
import type { FileEntity } from './file.entity.js';
import { cleanFileName, expectFileName } from './file-name.js';
import { FileErrors } from './files.errors.js';
import { PurgeFile } from './files.jobs.js';
import { FilesRepository } from './files.repository.js';
import { usageKey, UsagesRepository } from '../storage/usages.repository.js';

const DAY_MS = 86_400_000;

@Injectable()
export class FilesService {
  constructor(
    private readonly files: FilesRepository,
    private readonly usages: UsagesRepository,
    private readonly buckets: BucketsRepository,
    private readonly blobs: BlobsRepository,
    private readonly bytes: BlobStore,
    private readonly leases: StorageLeases,
    private readonly transaction: Transaction,
    private readonly jobs: JobQueue,
    private readonly settings: FileSettings,
    private readonly clock: Clock,
  ) {}

  /** Lists the caller's files; with `deleted`, the deleted files of all users. Throws FORBIDDEN. */
  list(actor: Actor, query: ListFilesQuery): Promise<Page<FileEntity>> {
    if (!query.deleted) return this.files.listOwned(actor, query);
    if (!can(actor, DeletedPermissions.read)) throw HttpErrors.FORBIDDEN(DeletedPermissions.read);
    return this.files.listDeleted(query);
  }

  async usage(owner: Owner): Promise<UsageDto> {
    return toUsageDto(await this.usages.of(owner), this.settings.quota);
  }

  /**
   * Opens the bytes of an own file. The caller reads the stream to its end or destroys it. Throws NOT_FOUND, also for a file of
   * another user, and DAMAGED.
   */
  async open(owner: Owner, uuid: string): Promise<{ file: FileEntity; stream: Readable }> {
    const file = await this.files.getOwned(owner, uuid);
    return { file, stream: await this.bytes.open(await this.blobOf(file)) };
  }

  /** Returns the content of a file of the reader, or of any file in a public bucket. Throws NOT_FOUND, DAMAGED. */
  async content(reader: Owner | undefined, uuid: string): Promise<Content> {
    const file = await this.files.getReadable(reader, uuid);
    const { name, mimeType, charset, sha256, isPublic } = file;
    const whenLost = (isNeeded: boolean) => (isNeeded ? FileErrors.DAMAGED(uuid) : FileErrors.NOT_FOUND(uuid));
    return { id: uuid, name, mimeType, charset, sha256, isPublic, blob: await this.blobOf(file), whenLost };
  }

  /** Renames a file. Throws VALIDATION_FAILED, NOT_FOUND, VERSION_STALE. */
  async rename(owner: Owner, uuid: string, name: string, expected: ExpectedVersions): Promise<FileEntity> {
    expectFileName('name', name);
    return this.files.updateOwned(owner, uuid, { name: cleanFileName(name) }, expected);
  }

  /** Deletes a file. Its quota is free at once; a job removes the bytes later. Throws NOT_FOUND, VERSION_STALE. */
  async delete(owner: Owner, uuid: string, expected: ExpectedVersions): Promise<void> {
    const remove = async (): Promise<void> => {
      const { bucket, size } = await this.files.deleteOwned(owner, uuid, expected);
      await this.usages.giveBack(owner, bucket, size, 1);
      await this.files.forgetUploadMetadata(uuid);
      const { retentionDays } = this.settings;
      const later = retentionDays > 0 && { runAt: new Date(this.clock.now() + retentionDays * DAY_MS) };
      await this.jobs.enqueue(PurgeFile, { fileId: uuid }, { ...later });
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

  /** Releases the bytes of a deleted file after its retention; removes them when no other file refers to them. Idempotent. */
  async purge(uuid: string): Promise<{ bytesRemoved: boolean }> {
    // Waits: the caller's answer is that the bytes are gone, and one who purges many removes only a few at once.
    const bytesRemoved = await this.leases.waitingForRemoval(async () => {
      const blobId = await this.files.detach(uuid, this.settings.retentionDays);
      return blobId !== null && this.blobs.dropReference(blobId);
    });
    return { bytesRemoved };
  }

  private async blobOf({ uuid, blobId }: FileEntity): Promise<KnownBlob> {
    const blob = blobId === null ? null : await this.blobs.find(blobId);
    if (!blob) throw FileErrors.NOT_FOUND(uuid); // deleted since it was read
    if (blob.isDamaged) throw FileErrors.DAMAGED(uuid);
    return blob;
  }
}
