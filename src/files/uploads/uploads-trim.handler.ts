// Deletes the oldest complete uploads of users who have more of them than UPLOAD_RETENTION_COUNT.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { RowTrimmer } from '../../common/repositories/row-trimmer.js';
import { Handles, type JobContext, type JobHandler, type JobResult } from '../../workers/job.js';
import type { NoPayload } from '../../workers/no-payload.js';
import { UploadsTrim } from '../files.jobs.js';
import { FileSettings } from '../files.settings.js';

/** Their bytes belong to their files. An incomplete upload counts in the quota of files until `uploads.sweep` removes it. */
const COMPLETE_UPLOADS = defineRetainedRows({
  table: 'uploads',
  owner: 'owner_id',
  order: 'expires_at',
  counted: 'file_uuid IS NOT NULL',
});

@Handles(UploadsTrim)
export class UploadsTrimHandler implements JobHandler<NoPayload> {
  constructor(
    private readonly trimmer: RowTrimmer,
    private readonly settings: FileSettings,
  ) {}

  async run(_payload: NoPayload, { signal }: JobContext): Promise<JobResult> {
    return { trimmed: await this.trimmer.trim(COMPLETE_UPLOADS, { rows: this.settings.uploadRetentionCount }, signal) };
  }
}
