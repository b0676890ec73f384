// Deletes the oldest invalid links of users who have more links than LINK_QUOTA and LINK_RETENTION_COUNT together.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { trimHandler } from '../../workers/cleanup/trim-handler.js';
import { FileSettings } from '../files.settings.js';
import { LinksTrim } from './links.jobs.js';

/**
 * A link becomes invalid by its own end, by a new version of its file or by the file's deletion, and an index knows the first
 * only. So all links count; at most LINK_QUOTA of them are valid.
 */
const LINKS = defineRetainedRows({
  table: 'file_links',
  owner: 'owner_id',
  order: 'id',
  counted: 'true',
  deletable: `old.deleted_at IS NOT NULL OR old.expires_at <= now() OR NOT EXISTS (
    SELECT FROM files f WHERE f.id = old.file_id AND f.version = old.file_version AND f.deleted_at IS NULL)`,
});

export const LinksTrimHandler = trimHandler(LinksTrim, {
  rows: LINKS,
  settings: FileSettings,
  maxRows: ({ linkQuota, linkRetentionCount }) => linkQuota + linkRetentionCount,
});
