// `files.verify`: reads and hashes bytes, longest unverified first. Repairs damage from a blob with the same content.
import { createHash } from 'node:crypto';
import { Inject } from '@nestjs/common';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { Handles, type JobContext, type JobHandler, type JobResult, UnrecoverableError } from '../../workers/job.js';
import { BlobMover } from '../../storage/blobs/blob-mover.js';
import { type BlobAddress, BlobStore, isDamage } from '../../storage/blobs/blob-store.js';
import { BlobsRepository, type KnownBlob } from '../../storage/blobs/blobs.repository.js';
import { FileErrors } from '../files.errors.js';
import { ThumbnailsRepository } from '../thumbnails/thumbnails.repository.js';
import { VerifyStorage, type VerifyPayload } from './upkeep.jobs.js';
import { UpkeepRepository } from './upkeep.repository.js';

const BATCH = 50;
const MAX_LISTED = 100;

@Handles(VerifyStorage)
export class VerifyHandler implements JobHandler<VerifyPayload> {
  constructor(
    private readonly bytes: BlobStore,
    private readonly blobs: BlobsRepository,
    private readonly mover: BlobMover,
    private readonly thumbnails: ThumbnailsRepository,
    private readonly upkeep: UpkeepRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async run({ fileId }: VerifyPayload, { signal }: JobContext): Promise<JobResult> {
    const found = { verified: 0, mended: 0, damaged: 0, thumbnails: 0 };
    if (fileId !== undefined) await this.verify(await this.blobOf(fileId), found, signal);
    else {
      await this.verifyAll(found, signal);
      await this.verifyThumbnails(found, signal);
    }
    return { ...found, damagedFiles: await this.upkeep.listDamagedFiles(MAX_LISTED) };
  }

  private async verifyAll(found: Found, signal: AbortSignal): Promise<void> {
    const since = await this.upkeep.now();
    for (;;) {
      const batch = await this.blobs.listUnverified(since, BATCH);
      if (batch.length === 0) return;
      for (const blob of batch) await this.verify(blob, found, signal);
    }
  }

  /** Drops damaged thumbnails; they are made again when a client asks for them. */
  private async verifyThumbnails(found: Found, signal: AbortSignal): Promise<void> {
    for await (const batch of this.thumbnails.inBatches(BATCH))
      for (const thumbnail of batch)
        if ((await this.faultOf(thumbnail, signal)) !== null)
          found.thumbnails += await this.thumbnails.drop([thumbnail.storageKey]);
  }

  private async verify(blob: KnownBlob, found: Found, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const fault = await this.faultOf(blob, signal);
    if (fault === null) {
      found.verified++;
      return this.blobs.noteVerified(blob, true);
    }
    if (!(await this.blobs.isNeeded(blob.storageKey))) return; // deleted since it was read
    this.logger.error({ err: fault, blob: blob.id, storageKey: blob.storageKey }, 'Bytes of a file are damaged');
    const duplicate = await this.blobs.findDuplicate(blob);
    if (duplicate && (await this.mover.move(blob, duplicate, signal).catch(() => false))) return void found.mended++;
    await this.blobs.noteVerified(blob, false);
    found.damaged++;
  }

  /** Returns null when the bytes are the stored ones. */
  private async faultOf(blob: BlobAddress & { sha256: string }, signal: AbortSignal): Promise<Error | null> {
    const hash = createHash('sha256');
    try {
      for await (const chunk of (await this.bytes.open(blob)) as AsyncIterable<Buffer>) {
        signal.throwIfAborted();
        hash.update(chunk);
      }
    } catch (error) {
      signal.throwIfAborted();
      if (isDamage(error)) return error;
      throw error; // the storage or a key is unavailable: that is no damage of the bytes
    }
    return hash.digest('hex') === blob.sha256 ? null : new Error('The hash is another one.');
  }

  private async blobOf(fileId: string): Promise<KnownBlob> {
    const id = await this.upkeep.findBlobOf(fileId);
    const blob = id === null ? null : await this.blobs.find(id);
    if (!blob) throw new UnrecoverableError(FileErrors.NOT_FOUND(fileId));
    return blob;
  }
}

interface Found {
  verified: number;
  mended: number;
  damaged: number;
  /** Number of damaged thumbnails, which were dropped. */
  thumbnails: number;
}
