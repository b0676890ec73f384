// Receives files: first the bytes, then the row. So a row never exists without its bytes, whatever fails in between.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import type { Owner } from '../common/access/permissions.js';
import { Transaction } from '../shared/database/transaction.js';
import { BlobsRepository } from '../storage/blobs/blobs.repository.js';
import { StorageLeases } from '../storage/blobs/storage-leases.js';
import { usageKey, UsagesRepository } from '../storage/usages.repository.js';
import { BlobIntake, type StoredBlob, type StoreOptions } from './blob-intake.js';
import type { FileEntity } from './file.entity.js';
import { FilesRepository } from './files.repository.js';
import { ThumbnailRequests } from './thumbnails/thumbnail-requests.js';

export interface ReceiveOptions extends StoreOptions {
  /** Checks what follows the bytes; the file is not added when it throws. */
  expectEnd?: () => Promise<void>;
}

/** Calls `add` in its own transaction: the file appears together with the other changes of that transaction, or not at all. */
type Work<T> = (add: () => Promise<FileEntity>) => Promise<T>;

@Injectable()
export class FileIntake {
  constructor(
    private readonly bytes: BlobIntake,
    private readonly files: FilesRepository,
    private readonly usages: UsagesRepository,
    private readonly blobs: BlobsRepository,
    private readonly leases: StorageLeases,
    private readonly thumbnails: ThumbnailRequests,
    private readonly transaction: Transaction,
  ) {}

  /** Maximum size of a file, bytes. */
  get maxBytes(): number {
    return this.bytes.maxBytes;
  }

  /**
   * Stores the bytes of `source` and adds the file. Call it outside a transaction, which would otherwise stay open as long as
   * the bytes take. Leaves nothing when it throws: NOT_FOUND (of the bucket), QUOTA_EXCEEDED, TOO_LARGE, TYPE_NOT_ALLOWED,
   * STORAGE_FULL, WRITE_LOST, and what the source, `expectEnd` or `work` throws.
   */
  receive(owner: Owner, source: Readable, options: ReceiveOptions): Promise<FileEntity>;
  receive<T>(owner: Owner, source: Readable, options: ReceiveOptions, work: Work<T>): Promise<T>;
  async receive(
    owner: Owner,
    source: Readable,
    options: ReceiveOptions,
    work: Work<unknown> = (add) => this.transaction.run(add),
  ): Promise<unknown> {
    const blob = await this.bytes.store(owner, source, options);
    try {
      await options.expectEnd?.();
      return await this.transaction.inTurn(usageKey(owner), () => work(() => this.add(owner, blob)));
    } finally {
      await this.leases.discard(blob.storageKey); // does nothing when the row is committed, or may be
    }
  }

  /** Adds the row in the transaction of the caller. */
  private async add(owner: Owner, blob: StoredBlob): Promise<FileEntity> {
    const { bucket, name, mimeType, charset, declaredType, size, sha256 } = blob;
    const { blobId, reservedBytes } = await this.blobs.settle(owner, blob);
    const known = { name, mimeType, charset, declaredType, size, sha256 };
    const file = await this.files.create(owner, { ...known, bucket: bucket.name, blobId });
    await this.thumbnails.ensure(file);
    // Last, because it locks the owner's usage: all other uploads of this owner wait until the commit.
    await this.usages.charge(owner, bucket, size - reservedBytes, 0);
    return file;
  }
}
