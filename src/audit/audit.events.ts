// The events of the audit log itself.
import { defineEvent } from '../shared/events/event.js';

/**
 * A cleanup has removed the entries up to the position `through`, because they were older than `days`. The SQL function
 * purge_audit_log records it; `role` is the login that called it.
 */
export const LogPurged = defineEvent<{ through: string; deleted: number; days: number; role: string }>('audit.purged', {
  audited: true,
});
