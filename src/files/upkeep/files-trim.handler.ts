// Purges the oldest deleted files of users who have more of them than FILE_RETENTION_COUNT or FILE_RETENTION_BYTES.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { RowTrimmer } from '../../common/repositories/row-trimmer.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { FilesRepository } from '../files.repository.js';
import { FileSettings } from '../files.settings.js';
import { PurgeHandler } from './purge.handler.js';
import { FilesTrim } from './upkeep.jobs.js';

/** Files that share their bytes count them each, as they do in FILE_QUOTA. */
const DELETED_FILES = defineRetainedRows({
  table: 'files',
  owner: 'owner_id',
  order: 'deleted_at',
  counted: 'deleted_at IS NOT NULL',
  bytes: 'CASE WHEN blob_id IS NULL THEN 0 ELSE size END',
});

@Handles(FilesTrim)
export class FilesTrimHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly trimmer: RowTrimmer,
    private readonly files: FilesRepository,
    private readonly purges: PurgeHandler,
    private readonly settings: FileSettings,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    const limits = { rows: this.settings.retentionCount, bytes: this.settings.retentionBytes };
    const trimmed = await this.trimmer.trim(DELETED_FILES, limits, signal, (ids) => this.remove(ids, signal));
    return { trimmed };
  }

  /** Purges the bytes as after FILE_RETENTION, then deletes the rows. */
  private async remove(ids: readonly string[], signal: AbortSignal): Promise<void> {
    for (const uuid of await this.files.listUnpurged(ids)) {
      signal.throwIfAborted();
      await this.purges.purge(uuid, 0);
    }
    await this.files.deleteTrimmed(ids);
  }
}
