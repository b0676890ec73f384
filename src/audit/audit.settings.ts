// Settings of the audit log.
import { join } from 'node:path';
import { EmbeddedSettings } from '../shared/config/embedded.settings.js';
import { defineSettings } from '../shared/config/settings.js';
import { integer, text } from '../shared/config/variables.js';

export const AuditSettings = defineSettings(
  'Audit log',
  {
    retentionDays: integer('AUDIT_RETENTION', {
      min: 1,
      max: 36_500,
      default: 365,
      doc: 'Days until entries of the audit log are deleted',
    }),
    checkpointDir: text('AUDIT_CHECKPOINT_DIR', {
      doc: 'Directory with the newest checkpoint of the audit log, out of reach of the database server. Default: <DATA_DIR>/audit',
    }),
  },
  {
    derive: ({ checkpointDir, ...rest }, get) => ({
      ...rest,
      checkpointDir: checkpointDir ?? join(get(EmbeddedSettings).dataDir, 'audit'),
    }),
  },
);
export type AuditSettings = InstanceType<typeof AuditSettings>;
