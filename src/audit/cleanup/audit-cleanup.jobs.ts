// Job definition of the cleanup of the audit log.
import { defineCleanup } from '../../workers/cleanup/cleanup.js';

export const AuditCleanup = defineCleanup('audit.cleanup', '47 3 * * *');
