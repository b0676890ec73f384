// `files.rekey`: encrypts everything with the first key, so that operators can remove older keys.
import { Handles, type JobContext, type JobHandler, type JobResult, UnrecoverableError } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { BlobMover } from '../../storage/blobs/blob-mover.js';
import { isDamage } from '../../storage/blobs/blob-store.js';
import { BlobsRepository, type KnownBlob } from '../../storage/blobs/blobs.repository.js';
import { Keyring } from '../../storage/blobs/keyring.js';
import { FileErrors } from '../files.errors.js';
import { ThumbnailsRepository } from '../thumbnails/thumbnails.repository.js';
import { RekeyStorage } from './upkeep.jobs.js';
import { UpkeepRepository } from './upkeep.repository.js';

const BATCH = 100;

@Handles(RekeyStorage)
export class RekeyHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly keyring: Keyring,
    private readonly blobs: BlobsRepository,
    private readonly mover: BlobMover,
    private readonly upkeep: UpkeepRepository,
    private readonly thumbnails: ThumbnailsRepository,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    const { current } = this.keyring;
    if (current === null) throw new UnrecoverableError(FileErrors.NO_ENCRYPTION_KEY());
    const thumbnails = await this.dropThumbnails(current, signal);
    let rekeyed = 0;
    let failed = 0;
    for (let after = '0'; ;) {
      const batch = await this.blobs.listOtherKey(current, after, BATCH);
      for (const blob of batch) {
        signal.throwIfAborted();
        if (await this.rekey(blob, signal)) rekeyed++;
        else failed++;
      }
      const last = batch.at(-1);
      if (!last) return { keyId: current, rekeyed, failed, thumbnails, ...(await this.upkeep.countOtherKeys(current)) };
      after = last.id;
    }
  }

  /** Returns false when the bytes are lost or damaged. */
  private async rekey(blob: KnownBlob, signal: AbortSignal): Promise<boolean> {
    try {
      return await this.mover.move(blob, blob, signal);
    } catch (error) {
      if (!isDamage(error)) throw error;
      await this.blobs.noteVerified(blob, false);
      return false;
    }
  }

  /** Drops thumbnails with other keys; they are made again with the current key when a client asks for them. */
  private async dropThumbnails(current: string, signal: AbortSignal): Promise<number> {
    let dropped = 0;
    for await (const batch of this.thumbnails.inBatches(BATCH)) {
      signal.throwIfAborted();
      dropped += await this.thumbnails.drop(
        batch.filter(({ keyId }) => keyId !== current).map(({ storageKey }) => storageKey),
      );
    }
    return dropped;
  }
}
