// Job definitions of the cleanups of the sessions table.
import { defineCleanup, defineTrim } from '../../workers/cleanup/cleanup.js';

export const SessionsCleanup = defineCleanup('sessions.cleanup', '27 3 * * *');

export const SessionsTrim = defineTrim('sessions.trim', 2);
