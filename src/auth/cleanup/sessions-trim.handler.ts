// Deletes the oldest ended sessions of users who have more of them than SESSION_RETENTION_COUNT.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { trimHandler } from '../../workers/cleanup/trim-handler.js';
import { SessionSettings } from '../sessions.settings.js';
import { SessionsTrim } from './sessions-cleanup.jobs.js';

/** Sessions that expired or were not used are not among them: a login ends those beyond SESSION_QUOTA. */
const ENDED_SESSIONS = defineRetainedRows({
  table: 'sessions',
  owner: 'user_id',
  order: 'deleted_at',
  counted: 'deleted_at IS NOT NULL',
});

export const SessionsTrimHandler = trimHandler(SessionsTrim, {
  rows: ENDED_SESSIONS,
  settings: SessionSettings,
  maxRows: ({ retentionCount }) => retentionCount,
});
