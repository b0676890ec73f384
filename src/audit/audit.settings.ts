// Settings of the audit log.
import { defineSettings } from '../shared/config/settings.js';
import { integer } from '../shared/config/variables.js';

export const AuditSettings = defineSettings('Audit log', {
  retentionDays: integer('AUDIT_RETENTION', {
    min: 1,
    max: 36_500,
    default: 365,
    doc: 'Days until entries of the audit log are deleted',
  }),
});
export type AuditSettings = InstanceType<typeof AuditSettings>;
