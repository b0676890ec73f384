// `files.tidy`: ends expired leases and purges deleted files after their retention.
import { FileSettings } from '../files.settings.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { StorageLeases } from '../../storage/blobs/storage-leases.js';
import { PurgeHandler } from './purge.handler.js';
import { TidyStorage } from './upkeep.jobs.js';
import { UpkeepRepository } from './upkeep.repository.js';

const BATCH = 100;

@Handles(TidyStorage)
export class TidyHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly leases: StorageLeases,
    private readonly purges: PurgeHandler,
    private readonly upkeep: UpkeepRepository,
    private readonly settings: FileSettings,
  ) {}

  async run(_payload: NoPayload, job: JobContext): Promise<JobResult> {
    const { retentionDays } = this.settings;
    const purged = await inBatches(
      () => this.upkeep.listOverdue(retentionDays, BATCH),
      (uuid) => this.purges.purge(uuid, retentionDays),
      job.signal,
    );
    const ended = await inBatches(
      () => this.leases.listExpired(BATCH),
      ({ storageKey }) => this.leases.end(storageKey),
      job.signal,
    );
    return { purged, ended };
  }
}

/** Repeats until the list is empty. Works one by one, since each item takes a call or two to the storage. */
async function inBatches<T>(
  list: () => Promise<T[]>,
  work: (item: T) => Promise<unknown>,
  signal: AbortSignal,
): Promise<number> {
  let done = 0;
  for (let batch = await list(); batch.length > 0; batch = await list())
    for (const item of batch) {
      signal.throwIfAborted();
      await work(item);
      done++;
    }
  return done;
}
