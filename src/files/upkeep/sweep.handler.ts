// `files.sweep`: finds differences between the storage and the tables, and repairs or only reports them.
import { Transaction } from '../../shared/database/transaction.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import { BlobsRepository } from '../../storage/blobs/blobs.repository.js';
import { StorageLeases } from '../../storage/blobs/storage-leases.js';
import { FileStorage } from '../../storage/file-storage.js';
import { type Losses, MissingBytes } from './missing-bytes.js';
import { SweepStorage, type SweepPayload } from './upkeep.jobs.js';
import { UpkeepRepository } from './upkeep.repository.js';

const BATCH = 500;
const HOUR_MS = 3_600_000;
const DEFAULT_AGE_HOURS = 24;
/** Unknown bytes are kept this long before they are deleted: a restored database may not know them yet. */
const QUARANTINE_MS = 7 * 24 * HOUR_MS;

/** Findings of the sweep. Without `dryRun`, all of them are repaired except `lost`. */
interface Findings extends Losses, Record<string, unknown> {
  /** Bytes without a row, now in quarantine. */
  orphans: number;
  /** Blobs with a wrong reference count. */
  miscounted: number;
  /** Users with a wrong usage. */
  mischarged: number;
}

@Handles(SweepStorage)
export class SweepHandler implements JobHandler<SweepPayload> {
  constructor(
    private readonly storage: FileStorage,
    private readonly missing: MissingBytes,
    private readonly blobs: BlobsRepository,
    private readonly leases: StorageLeases,
    private readonly upkeep: UpkeepRepository,
    private readonly transaction: Transaction,
  ) {}

  async run(
    { dryRun = false, minAgeHours, acceptLoss = false }: SweepPayload,
    { signal }: JobContext,
  ): Promise<JobResult> {
    const found: Findings = { dryRun, orphans: 0, mended: 0, lost: 0, thumbnails: 0, miscounted: 0, mischarged: 0 };
    await this.findOrphans(found, (minAgeHours ?? DEFAULT_AGE_HOURS) * HOUR_MS, signal);
    await this.missing.repair(found, acceptLoss, signal);
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
