// Resumable uploads: reserve all their space at the start, and become ordinary files at the end.
import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { Metadata } from '@tus/server';
import { FileSettings } from '../files.settings.js';
import { AppError } from '../../shared/libs/app-error.js';
import { Transaction } from '../../shared/database/transaction.js';
import { StorageLeases, type WriteLease } from '../../storage/blobs/storage-leases.js';
import { SNIFFED_BYTES } from '../../storage/media-types/media-type.js';
import { allowsType, DEFAULT_BUCKET } from '../../storage/buckets/bucket.entity.js';
import { usageKey } from '../../storage/usages.repository.js';
import { BucketErrors } from '../../storage/buckets/buckets.errors.js';
import { BucketsRepository } from '../../storage/buckets/buckets.repository.js';
import { cleanFileName, expectFileName, plainMediaType } from '../file-name.js';
import { FileErrors } from '../files.errors.js';
import { FileIntake } from '../file-intake.js';
import { type ListUploadsQuery, toUploadDto, type UploadPage } from './dto/upload.dto.js';
import { type FirstBytesRules, UploadSegments } from './upload-segments.js';
import { UploadErrors } from './uploads.errors.js';
import { type Upload, UploadsRepository } from './uploads.repository.js';
import type { Owner } from '../../common/access/permissions.js';
import { HttpErrors } from '../../common/http/http.errors.js';

/** The space stays reserved this much longer than the upload may take, in case the sweep is late. */
const EXPIRY_MARGIN_MS = 86_400_000;

/** Errors that a new attempt cannot fix: the upload is removed. */
const FOR_GOOD = new Set(
  [FileErrors.TOO_LARGE, FileErrors.TYPE_NOT_ALLOWED, BucketErrors.NOT_FOUND].map(({ code }) => code),
);

/** Clients send two to six. */
const MAX_METADATA_KEYS = 20;

@Injectable()
export class UploadsService {
  constructor(
    private readonly uploads: UploadsRepository,
    private readonly segments: UploadSegments,
    private readonly buckets: BucketsRepository,
    private readonly leases: StorageLeases,
    private readonly intake: FileIntake,
    private readonly transaction: Transaction,
    private readonly settings: FileSettings,
  ) {}

  /** Maximum size of an upload, bytes. */
  get maxBytes(): number {
    return this.intake.maxBytes;
  }

  /** `metadata`: Upload-Metadata. Throws VALIDATION_FAILED, NOT_FOUND (of the bucket), TOO_LARGE, QUOTA_EXCEEDED. */
  async create(owner: Owner, id: string, size: number, metadata: string): Promise<Upload> {
    expectFewKeys(metadata);
    const { bucket: bucketName, filename } = parse(metadata);
    expectFileName('filename', filename ?? undefined);
    const bucket = await this.buckets.getNamed(bucketName ?? DEFAULT_BUCKET);
    const maxBytes = Math.min(this.maxBytes, bucket.maxFileSize ?? Infinity);
    if (size > maxBytes) throw FileErrors.TOO_LARGE(maxBytes);
    const upload = await this.transaction.runInTurn(usageKey(owner), async () => {
      const { uploadTtl } = this.settings;
      await this.leases.reserve(id, owner, bucket, size, uploadTtl + EXPIRY_MARGIN_MS);
      return this.uploads.create(owner, { id, bucket: bucket.name, metadata, size, storageKey: id }, uploadTtl);
    });
    return this.finishIfComplete(owner, upload);
  }

  /**
   * Returns the upload. Creates the file first when all bytes are here, since the process that should do it may have died.
   * Throws NOT_FOUND, EXPIRED, and the errors of a refused file.
   */
  async get(owner: Owner, id: string): Promise<Upload> {
    return this.finishIfComplete(owner, await this.uploads.getOwned(owner, id));
  }

  /** Lists uploads that are neither complete nor expired. Throws INVALID_CURSOR. */
  async list(owner: Owner, query: ListUploadsQuery): Promise<UploadPage> {
    const { items, nextCursor } = await this.uploads.listOpen(owner, query);
    return {
      items: items.map((upload) => toUploadDto(upload, cleanFileName(parse(upload.metadata)['filename'] ?? undefined))),
      nextCursor,
    };
  }

  /** Appends bytes. Throws what `get` throws, the error of the source (received bytes are kept), and OFFSET_CONFLICT. */
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

  /** Removes an incomplete upload. Throws NOT_FOUND, EXPIRED, FINISHED. */
  async terminate(owner: Owner, id: string): Promise<void> {
    const { fileUuid } = await this.uploads.getOwned(owner, id);
    if (fileUuid !== null) throw UploadErrors.FINISHED(fileUuid);
    await this.remove(id);
  }

  /** Removes an upload with its bytes and its reserved space. For a finished one, the file stays. Idempotent. */
  async remove(id: string): Promise<void> {
    const reservation = await this.transaction.run(async () => {
      const removed = await this.uploads.remove(id);
      if (removed) await this.leases.deleteAfterCommit(removed.segments);
      return removed?.reservation;
    });
    // Waits for this one only: the reserved space is free when the client has its answer, however many segments there are.
    if (reservation !== undefined) await this.leases.end(reservation);
  }

  /** Checks the type as soon as the first bytes show it, not after many gigabytes. */
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
        // With exactly SNIFFED_BYTES, a cut last character cannot be recognized: wait for the next byte, unless that is all.
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

  /** Adds the file and marks the upload as complete in one transaction, so neither exists without the other. */
  private async finish(owner: Owner, upload: Upload): Promise<Upload> {
    const { filename, filetype } = parse(upload.metadata);
    const lease = await this.replaceReservation(owner, upload);
    const options = { name: filename ?? undefined, mimeType: filetype ?? '', bucket: upload.bucket, lease };
    return this.intake.receive(owner, this.segments.open(upload), options, (add) =>
      this.transaction.run(async () => {
        const { uuid } = await add();
        await this.leases.deleteAfterCommit(await this.uploads.finish(upload.id, uuid)); // the file has a copy of its own
        return { ...upload, fileUuid: uuid };
      }),
    );
  }

  /**
   * Takes over the reserved space for the file. After a failed attempt nothing is reserved any more; then it reserves the
   * space again. Throws QUOTA_EXCEEDED.
   */
  private replaceReservation(owner: Owner, upload: Upload): Promise<WriteLease> {
    return this.transaction.run(async () => {
      const lease =
        (await this.leases.takeOver(upload.storageKey)) ??
        (await this.leases.begin(owner, await this.buckets.getNamed(upload.bucket), upload.size));
      if (upload.storageKey !== upload.id) await this.leases.mark([upload.storageKey], 'DELETE'); // of an earlier writer
      if (await this.uploads.changeStorageKey(upload, lease.storageKey)) return lease;
      throw UploadErrors.LOCKED().withHeader('Retry-After', '1'); // this request has lost the lock to another one
    });
  }
}

/** Every list of uploads parses the metadata of each. Throws VALIDATION_FAILED. */
function expectFewKeys(metadata: string): void {
  if (metadata.split(',').length <= MAX_METADATA_KEYS) return;
  const message = `Upload-Metadata must have at most ${MAX_METADATA_KEYS} keys`;
  throw HttpErrors.VALIDATION_FAILED(message).withFields([{ field: 'Upload-Metadata', rule: 'maxKeys', message }]);
}

function parse(metadata: string): Record<string, string | null> {
  return metadata === '' ? {} : Metadata.parse(metadata);
}
