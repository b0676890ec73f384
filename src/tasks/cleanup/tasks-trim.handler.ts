// Removes the oldest deleted tasks of users who have more of them than TASK_RETENTION_COUNT.
import { defineRetainedRows } from '../../common/repositories/retained-rows.js';
import { trimHandler } from '../../workers/cleanup/trim-handler.js';
import { TasksTrim } from '../tasks.jobs.js';
import { TaskSettings } from '../tasks.settings.js';

const DELETED_TASKS = defineRetainedRows({
  table: 'tasks',
  owner: 'owner_id',
  order: 'deleted_at',
  counted: 'deleted_at IS NOT NULL',
});

export const TasksTrimHandler = trimHandler(TasksTrim, {
  rows: DELETED_TASKS,
  settings: TaskSettings,
  maxRows: ({ retentionCount }) => retentionCount,
});
