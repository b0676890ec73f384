// `files.sweep`: finds differences between the storage and the tables, and repairs or only reports them.
import { Inject } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import { LOGGER, type Logger } from '../../shared/logging/logger.js';
import { Handles, type JobContext, type JobHandler, type JobResult, UnrecoverableError } from '../../workers/job.js';
import { BlobMover } from '../../storage/blobs/blob-mover.js';
import { BlobStore } from '../../storage/blobs/blob-store.js';
import { BlobsRepository, type KnownBlob } from '../../storage/blobs/blobs.repository.js';
import { StorageLeases } from '../../storage/blobs/storage-leases.js';
import { FileErrors } from '../files.errors.js';
import { FileStorage } from '../../storage/file-storage.js';
import { ThumbnailsRepository } from '../thumbnails/thumbnails.repository.js';
import { SweepStorage, type SweepPayload } from './upkeep.jobs.js';
import { UpkeepRepository } from './upkeep.repository.js';

const BATCH = 500;
const HOUR_MS = 3_600_000;
const DEFAULT_AGE_HOURS = 24;
/** Unknown bytes are kept this long before they are deleted: a restored database may not know them yet. */
const QUARANTINE_MS = 7 * 24 * HOUR_MS;

/** Findings of the sweep. Without `dryRun`, all of them are repaired except `lost`. */
interface Findings extends Record<string, unknown> {
  dryRun: boolean;
  /** Bytes without a row, now in quarantine. */
  orphans: number;
  /** Blobs without bytes that were repaired from a blob with the same content. */
  mended: number;
  /** Blobs without bytes: a request for a file of theirs is answered with FILE_DAMAGED. */
  lost: number;
  /** Thumbnails without bytes. They are made again. */
  thumbnails: number;
  /** Blobs with a wrong reference count. */
  miscounted: number;
  /** Users with a wrong usage. */
  mischarged: number;
}

@Handles(SweepStorage)
export class SweepHandler implements JobHandler<SweepPayload> {
  constructor(
    private readonly storage: FileStorage,
    private readonly bytes: BlobStore,
    private readonly blobs: BlobsRepository,
    private readonly mover: BlobMover,
    private readonly leases: StorageLeases,
    private readonly thumbnails: ThumbnailsRepository,
    private readonly upkeep: UpkeepRepository,
    private readonly transaction: Transaction,
    @Inject(LOGGER) private readonly logger: Logger,
  ) {}

  async run(
    { dryRun = false, minAgeHours, acceptLoss = false }: SweepPayload,
    { signal }: JobContext,
  ): Promise<JobResult> {
    const found: Findings = { dryRun, orphans: 0, mended: 0, lost: 0, thumbnails: 0, miscounted: 0, mischarged: 0 };
    await this.findOrphans(found, (minAgeHours ?? DEFAULT_AGE_HOURS) * HOUR_MS, signal);
    for (const blob of await this.findMissing(acceptLoss, signal)) await this.repair(blob, found, signal);
    await this.findMissingThumbnails(found, signal);
    await this.recount(found, signal);
    return found;
  }

  /** Finds bytes without a row. Their lease row is written before the bytes, so this happens only by accident. */
  private async findOrphans(found: Findings, minAgeMs: number, signal: AbortSignal): Promise<void> {
    const before = (await this.upkeep.now()).getTime() - minAgeMs;
    let keys: string[] = [];
    const check = async (): Promise<void> => {
      signal.throwIfAborted();
      const unknown = await this.upkeep.unknownAmong(keys);
      if (!found.dryRun) await this.leases.mark(unknown, 'QUARANTINE', QUARANTINE_MS);
      found.orphans += unknown.length;
      keys = [];
    };
    for await (const { key, modifiedAt } of this.storage.list()) {
      if (modifiedAt.getTime() <= before) keys.push(key);
      if (keys.length >= BATCH) await check();
    }
    await check();
  }

  /**
   * Finds rows whose bytes are missing, too few or too many. When these are most rows, the storage is probably the wrong one:
   * throws STORAGE_FOREIGN unless `acceptLoss`.
   */
  private async findMissing(acceptLoss: boolean, signal: AbortSignal): Promise<KnownBlob[]> {
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

  private async repair(blob: KnownBlob, found: Findings, signal: AbortSignal): Promise<void> {
    const duplicate = await this.blobs.findDuplicate(blob);
    const isRepairable = duplicate !== null && (await this.bytes.isWhole(duplicate));
    if (found.dryRun) return void (isRepairable ? found.mended++ : found.lost++);
    if (isRepairable && (await this.mover.move(blob, duplicate, signal))) return void found.mended++;
    await this.blobs.noteVerified(blob, false);
    if (!blob.isDamaged) this.logger.error({ blob: blob.id, storageKey: blob.storageKey }, 'Bytes of a file are lost');
    found.lost++;
  }

  private async findMissingThumbnails(found: Findings, signal: AbortSignal): Promise<void> {
    for await (const batch of this.thumbnails.inBatches(BATCH))
      for (const thumbnail of batch) {
        signal.throwIfAborted();
        if (await this.bytes.isWhole(thumbnail)) continue;
        found.thumbnails += found.dryRun ? 1 : await this.thumbnails.drop([thumbnail.storageKey]);
      }
  }

  private async recount(found: Findings, signal: AbortSignal): Promise<void> {
    const miscounted = await this.upkeep.listMiscounted();
    const mischarged = await this.upkeep.listMischarged();
    found.miscounted = miscounted.length;
    found.mischarged = mischarged.length;
    if (found.dryRun) return;
    for (const id of miscounted) {
      signal.throwIfAborted();
      await this.transaction.run(() => this.blobs.recount(id));
    }
    for (const owner of mischarged) {
      signal.throwIfAborted();
      await this.transaction.run(() => this.upkeep.recharge(owner));
    }
  }
}
