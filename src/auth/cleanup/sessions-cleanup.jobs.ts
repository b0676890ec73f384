// Keeping the sessions' table small, as a job.
import { defineCleanup } from '../../workers/cleanup/cleanup.js';

export const SessionsCleanup = defineCleanup('sessions.cleanup', '27 3 * * *');
