// Keeping the audit log within its time, as a job.
import { defineCleanup } from '../../workers/cleanup/cleanup.js';

export const AuditCleanup = defineCleanup('audit.cleanup', '47 3 * * *');
