// Uploads that may be broken off and resumed: begun with all of their place reserved, ended as an ordinary file.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Metadata } from '@tus/server';
import { AppConfig } from '../../shared/config/app-config.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Transaction } from '../../shared/database/transaction.js';
import { StorageLeases, type WriteLease } from '../../storage/blobs/storage-leases.js';
import { SNIFFED_BYTES } from '../../storage/media-types/media-type.js';
import { allowsType, DEFAULT_BUCKET } from '../../storage/buckets/bucket.entity.js';
import { BucketErrors } from '../../storage/buckets/buckets.errors.js';
import { BucketsRepository } from '../../storage/buckets/buckets.repository.js';
import { cleanFileName, expectFileName, plainMediaType } from '../file-name.js';
import { FileErrors } from '../files.errors.js';
import { FileWriter } from '../file-writer.js';
import { type ListUploadsQuery, toUploadDto, type UploadPage } from './dto/upload.dto.js';
import { type FirstBytesRules, UploadSegments } from './upload-segments.js';
import { UploadErrors } from './uploads.errors.js';
import { type Upload, UploadsRepository } from './uploads.repository.js';
import type { Owner } from '../../common/access/permissions.js';

/** The place stays reserved for longer than the upload may take, should nobody sweep. */
const SPARE_MS = 86_400_000;

/** What a file was refused for once, it would be refused for again. */
const FOR_GOOD = new Set(
  [FileErrors.TOO_LARGE, FileErrors.TYPE_NOT_ALLOWED, BucketErrors.NOT_FOUND].map(({ code }) => code),
);

@Injectable()
export class UploadsService {
  constructor(
    private readonly uploads: UploadsRepository,
    private readonly segments: UploadSegments,
    private readonly buckets: BucketsRepository,
    private readonly leases: StorageLeases,
    private readonly writer: FileWriter,
    private readonly transaction: Transaction,
    private readonly config: AppConfig,
  ) {}

  /** How many bytes an upload may have. */
  get maxBytes(): number {
    return this.writer.maxBytes;
  }

  /** `metadata`: Upload-Metadata. Throws VALIDATION_FAILED, NOT_FOUND (of the bucket), TOO_LARGE, QUOTA_EXCEEDED. */
  async create(owner: Owner, id: string, size: number, metadata: string): Promise<Upload> {
    const { bucket: bucketName, filename } = parse(metadata);
    expectFileName('filename', filename ?? undefined);
    const bucket = await this.buckets.getNamed(bucketName ?? DEFAULT_BUCKET);
    const most = Math.min(this.maxBytes, bucket.maxFileSize ?? Infinity);
    if (size > most) throw FileErrors.TOO_LARGE(most);
    const upload = await this.transaction.run(async () => {
      const { uploadTtl } = this.config.files;
      await this.leases.reserve(id, owner, bucket, size, uploadTtl + SPARE_MS);
      return this.uploads.create(owner, { id, bucket: bucket.name, metadata, size, storageKey: id }, uploadTtl);
    });
    return this.finishIfComplete(owner, upload);
  }

  /** What is complete is a file before anybody hears of it: who began that may have died. Throws NOT_FOUND, EXPIRED, and what a file may be refused for. */
  async get(owner: Owner, id: string): Promise<Upload> {
    return this.finishIfComplete(owner, await this.uploads.getOwned(owner, id));
  }

  /** Those that are neither complete nor expired. Throws INVALID_CURSOR. */
  async list(owner: Owner, query: ListUploadsQuery): Promise<UploadPage> {
    const { items, nextCursor } = await this.uploads.listOpen(owner, query);
    return {
      items: items.map((upload) => toUploadDto(upload, cleanFileName(parse(upload.metadata)['filename'] ?? undefined))),
      nextCursor,
    };
  }

  /** Throws what `get` throws, what the source fails with (what has come is kept), and OFFSET_CONFLICT. */
  async append(owner: Owner, id: string, offset: number, source: Readable): Promise<Upload> {
    const upload = await this.uploads.getOwned(owner, id);
    try {
      const received = await this.segments.append(upload, offset, source, await this.firstBytesRules(upload));
      return await this.finishIfComplete(owner, { ...upload, received });
    } catch (error) {
      await this.removeIfRefused(id, error);
      throw error;
    }
  }

  /** Throws NOT_FOUND, EXPIRED, FINISHED. */
  async terminate(owner: Owner, id: string): Promise<void> {
    const { fileUuid } = await this.uploads.getOwned(owner, id);
    if (fileUuid !== null) throw UploadErrors.FINISHED(fileUuid);
    await this.remove(id);
  }

  /** Its bytes, and what was reserved for it. Of one that is finished only what is known of it: the file stays. Idempotent. */
  async remove(id: string): Promise<void> {
    const removed = await this.transaction.run(async () => {
      const keys = await this.uploads.remove(id);
      if (keys) await this.leases.mark(keys.segments, 'DELETE');
      return keys;
    });
    if (!removed) return;
    this.leases.endSoon(removed.segments);
    await this.leases.end(removed.reservation);
  }

  /** The type is refused as soon as the bytes show it, not when the last of many gigabytes is here. */
  private async firstBytesRules({
    bucket: name,
    metadata,
    size,
    received,
  }: Upload): Promise<FirstBytesRules | undefined> {
    if (received > SNIFFED_BYTES) return undefined;
    const bucket = await this.buckets.getNamed(name);
    const { filename, filetype } = parse(metadata);
    return {
      declaredType: plainMediaType(filetype ?? ''),
      name: filename ?? undefined,
      expectType: (type, seenBytes) => {
        // Exactly SNIFFED_BYTES were read as a whole file, whose last character is not cut: the next byte tells.
        const isKnown = seenBytes > SNIFFED_BYTES || seenBytes === size;
        if (isKnown && !allowsType(bucket, type)) throw FileErrors.TYPE_NOT_ALLOWED(type, name);
      },
    };
  }

  private async removeIfRefused(id: string, error: unknown): Promise<void> {
    if (error instanceof AppError && FOR_GOOD.has(error.code)) await this.remove(id);
  }

  private async finishIfComplete(owner: Owner, upload: Upload): Promise<Upload> {
    if (upload.fileUuid !== null || upload.received < upload.size) return upload;
    try {
      return await this.finish(owner, upload);
    } catch (error) {
      await this.removeIfRefused(upload.id, error);
      throw error;
    }
  }

  /** The file, and that the upload is it, in one transaction: there is never one without the other. */
  private async finish(owner: Owner, upload: Upload): Promise<Upload> {
    const { filename, filetype } = parse(upload.metadata);
    const lease = await this.takePlace(owner, upload);
    const blob = await this.writer.store(owner, this.segments.open(upload), {
      ...{ name: filename ?? undefined, mimeType: filetype ?? '', bucket: upload.bucket, lease },
    });
    const [fileUuid, spare] = await this.writer.keepWith(owner, blob, (add) =>
      this.transaction.run(async () => {
        const { uuid } = await add();
        const keys = await this.uploads.finish(upload.id, uuid);
        await this.leases.mark(keys, 'DELETE');
        return [uuid, keys] as const;
      }),
    );
    this.leases.endSoon(spare);
    return { ...upload, fileUuid };
  }

  /** What was reserved becomes the file's place. After an attempt that failed nothing is reserved any more: it is anew. Throws QUOTA_EXCEEDED. */
  private takePlace(owner: Owner, upload: Upload): Promise<WriteLease> {
    return this.transaction.run(async () => {
      const lease =
        (await this.leases.takeOver(upload.storageKey)) ??
        (await this.leases.begin(owner, await this.buckets.getNamed(upload.bucket), upload.size));
      if (upload.storageKey !== upload.id) await this.leases.mark([upload.storageKey], 'DELETE'); // of a writer that died, or still writes
      if (await this.uploads.changeStorageKey(upload, lease.storageKey)) return lease;
      this.leases.forget(lease.storageKey);
      throw UploadErrors.LOCKED().withHeader('Retry-After', '1'); // whose lock was lost, and is at it all the same
    });
  }
}

function parse(metadata: string): Record<string, string | null> {
  return metadata === '' ? {} : Metadata.parse(metadata);
}
