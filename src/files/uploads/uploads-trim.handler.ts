// Deletes the oldest complete uploads of users who have more of them than UPLOAD_RETENTION_COUNT.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { trimHandler } from '../../workers/cleanup/trim-handler.js';
import { UploadsTrim } from '../files.jobs.js';
import { FileSettings } from '../files.settings.js';

/** Their bytes belong to their files. An incomplete upload counts in the quota of files until `uploads.sweep` removes it. */
const COMPLETE_UPLOADS = defineRetainedRows({
  table: 'uploads',
  owner: 'owner_id',
  order: 'expires_at',
  counted: 'file_uuid IS NOT NULL',
});

export const UploadsTrimHandler = trimHandler(UploadsTrim, {
  rows: COMPLETE_UPLOADS,
  settings: FileSettings,
  maxRows: ({ uploadRetentionCount }) => uploadRetentionCount,
});
