// Settings of tasks.
import { defineSettings } from '../shared/config/settings.js';
import { integer } from '../shared/config/variables.js';

export const TaskSettings = defineSettings(
  'Tasks',
  {
    quota: integer('TASK_QUOTA', { min: 1, default: 100_000, doc: 'Maximum tasks of one user' }),
    retentionDays: integer('TASK_RETENTION', {
      min: 1,
      max: 3_650,
      default: 30,
      doc: 'Days until deleted tasks are removed permanently; until then administrators may restore them',
    }),
    retentionCount: integer('TASK_RETENTION_COUNT', {
      min: 1,
      doc: 'Maximum deleted tasks of one user that are kept; the oldest are removed first. Default: TASK_QUOTA',
    }),
  },
  { derive: (values) => ({ ...values, retentionCount: values.retentionCount ?? values.quota }) },
);
export type TaskSettings = InstanceType<typeof TaskSettings>;
