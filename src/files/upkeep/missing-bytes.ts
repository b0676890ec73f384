// The part of the sweep that reads the storage for each row: repairs blobs and thumbnails without bytes, or only counts them.
import { Inject, Injectable } from '@nestjs/common';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { BlobMover } from '../../storage/blobs/blob-mover.js';
import { BlobStore } from '../../storage/blobs/blob-store.js';
import { BlobsRepository, type KnownBlob } from '../../storage/blobs/blobs.repository.js';
import { UnrecoverableError } from '../../workers/job.js';
import { FileErrors } from '../files.errors.js';
import { ThumbnailsRepository } from '../thumbnails/thumbnails.repository.js';

const BATCH = 500;

export interface Losses {
  /** Only count. */
  dryRun: boolean;
  /** Blobs without bytes that were repaired from a blob with the same content. */
  mended: number;
  /** Blobs without bytes: a request for a file of theirs is answered with FILE_DAMAGED. */
  lost: number;
  /** Thumbnails without bytes. They are made again. */
  thumbnails: number;
}

@Injectable()
export class MissingBytes {
  constructor(
    private readonly bytes: BlobStore,
    private readonly blobs: BlobsRepository,
    private readonly mover: BlobMover,
    private readonly thumbnails: ThumbnailsRepository,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  /** Throws STORAGE_FOREIGN when the bytes of most blobs are missing, unless `acceptLoss`. */
  async repair(found: Losses, acceptLoss: boolean, signal: AbortSignal): Promise<void> {
    for (const blob of await this.find(acceptLoss, signal)) await this.repairBlob(blob, found, signal);
    await this.repairThumbnails(found, signal);
  }

  /**
   * Finds rows whose bytes are missing, too few or too many. When these are most rows, the storage is probably the wrong one:
   * throws STORAGE_FOREIGN unless `acceptLoss`.
   */
  private async find(acceptLoss: boolean, signal: AbortSignal): Promise<KnownBlob[]> {
    const missing: KnownBlob[] = [];
    let all = 0;
    for (let after = '0'; ;) {
      const batch = await this.blobs.listAfter(after, BATCH);
      for (const blob of batch) {
        signal.throwIfAborted();
        if (!(await this.bytes.isWhole(blob)) && (await this.blobs.isNeeded(blob.storageKey))) missing.push(blob);
      }
      all += batch.length;
      const last = batch.at(-1);
      if (!last) break;
      after = last.id;
    }
    if (missing.length > all / 2 && !acceptLoss)
      throw new UnrecoverableError(FileErrors.STORAGE_FOREIGN(missing.length, all));
    return missing;
  }

  private async repairBlob(blob: KnownBlob, found: Losses, signal: AbortSignal): Promise<void> {
    const duplicate = await this.blobs.findDuplicate(blob);
    const isRepairable = duplicate !== null && (await this.bytes.isWhole(duplicate));
    if (found.dryRun) return void (isRepairable ? found.mended++ : found.lost++);
    if (isRepairable && (await this.mover.move(blob, duplicate, signal))) return void found.mended++;
    await this.blobs.noteVerified(blob, false);
    if (!blob.isDamaged) this.logger.error({ blob: blob.id, storageKey: blob.storageKey }, 'Bytes of a file are lost');
    found.lost++;
  }

  private async repairThumbnails(found: Losses, signal: AbortSignal): Promise<void> {
    for await (const batch of this.thumbnails.inBatches(BATCH))
      for (const thumbnail of batch) {
        signal.throwIfAborted();
        if (await this.bytes.isWhole(thumbnail)) continue;
        found.thumbnails += found.dryRun ? 1 : await this.thumbnails.drop([thumbnail.storageKey]);
      }
  }
}
