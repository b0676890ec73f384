// Writes the bytes of a new file to the storage, under a lease and within all limits.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { StorageSettings } from '../storage/storage.settings.js';
import { BlobStore } from '../storage/blobs/blob-store.js';
import { BlobsRepository } from '../storage/blobs/blobs.repository.js';
import { StorageLeases, type WriteLease } from '../storage/blobs/storage-leases.js';
import { allowsType, type Bucket, DEFAULT_BUCKET } from '../storage/buckets/bucket.entity.js';
import { BucketsRepository } from '../storage/buckets/buckets.repository.js';
import { cleanFileName, plainMediaType } from './file-name.js';
import { FileErrors } from './files.errors.js';
import type { Owner } from '../common/access/permissions.js';
import { QuotaErrors } from '../storage/storage.errors.js';

/** Bytes in the storage without a row yet: their lease must be claimed or discarded. */
export interface StoredBlob {
  readonly storageKey: string;
  readonly keyId: string | null;
  readonly bucket: Bucket;
  readonly name: string;
  readonly mimeType: string;
  readonly charset: string | null;
  readonly declaredType: string;
  readonly size: number;
  readonly sha256: string;
}

export interface StoreOptions {
  /** The name as given by the client. It is cleaned. */
  name: string | undefined;
  mimeType: string;
  /** Default: `default`. */
  bucket?: string | undefined;
  /** Number of bytes that will come at least. They are reserved before the first byte is read. Default: 0. */
  expectedBytes?: number;
  /** A lease on space that was reserved before. Default: a new lease. */
  lease?: WriteLease;
  /** Default: FILE_MAX_SIZE. The limits of the bucket and the quota apply in any case. */
  maxBytes?: number;
  signal?: AbortSignal | undefined;
}

@Injectable()
export class BlobIntake {
  constructor(
    private readonly buckets: BucketsRepository,
    private readonly blobs: BlobsRepository,
    private readonly bytes: BlobStore,
    private readonly leases: StorageLeases,
    private readonly settings: StorageSettings,
  ) {}

  /** Maximum size of a file, bytes. */
  get maxBytes(): number {
    return this.settings.maxBytes;
  }

  /**
   * Leaves nothing in the storage when it throws: NOT_FOUND (of the bucket), QUOTA_EXCEEDED, TOO_LARGE, TYPE_NOT_ALLOWED,
   * STORAGE_FULL, WRITE_LOST.
   */
  async store(owner: Owner, source: Readable, options: StoreOptions): Promise<StoredBlob> {
    try {
      const bucket = await this.buckets.getNamed(options.bucket ?? DEFAULT_BUCKET);
      return await this.storeIn(bucket, owner, source, options);
    } catch (error) {
      source.destroy();
      if (options.lease) await this.leases.discard(options.lease.storageKey);
      throw error;
    }
  }

  private async storeIn(bucket: Bucket, owner: Owner, source: Readable, options: StoreOptions): Promise<StoredBlob> {
    const { name, mimeType, expectedBytes = 0, maxBytes = this.settings.maxBytes, signal } = options;
    const declaredType = plainMediaType(mimeType);
    if (expectedBytes > (bucket.maxFileSize ?? Infinity)) throw FileErrors.TOO_LARGE(bucket.maxFileSize ?? 0);
    const lease = options.lease ?? (await this.leases.begin(owner, bucket, expectedBytes));
    const { storageKey, remainingBytes } = lease;
    const fileLimit = Math.min(maxBytes, bucket.maxFileSize ?? Infinity);
    const rules = {
      declaredType,
      name,
      maxBytes: Math.min(fileLimit, remainingBytes),
      tooLarge: () =>
        remainingBytes < fileLimit ? QuotaErrors.QUOTA_EXCEEDED('bytes') : FileErrors.TOO_LARGE(fileLimit),
      expectType: (type: string) => {
        if (!allowsType(bucket, type)) throw FileErrors.TYPE_NOT_ALLOWED(type, bucket.name);
      },
    };
    try {
      const stop = signal ? AbortSignal.any([signal, lease.signal]) : lease.signal;
      const { mediaType, ...written } = await this.bytes.write(storageKey, source, rules, stop);
      await this.distrustLost(owner, written.sha256);
      return { storageKey, bucket, name: cleanFileName(name), mimeType: mediaType, declaredType, ...written };
    } catch (error) {
      await this.leases.discard(storageKey);
      throw lease.signal.aborted ? lease.signal.reason : error;
    }
  }

  /** Checks that existing bytes with the same content are complete, before the new ones may be dropped in favour of them. */
  private async distrustLost(owner: Owner, sha256: string): Promise<void> {
    const same = await this.blobs.findSame(owner, sha256);
    if (same && !same.isDamaged && !(await this.bytes.isWhole(same))) await this.blobs.noteVerified(same, false);
  }
}
