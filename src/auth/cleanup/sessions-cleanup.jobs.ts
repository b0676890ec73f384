// Job definition of the cleanup of the sessions table.
import { defineCleanup } from '../../workers/cleanup/cleanup.js';

export const SessionsCleanup = defineCleanup('sessions.cleanup', '27 3 * * *');
