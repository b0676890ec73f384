// Job definitions of the cleanups of the jobs tables.
import { defineCleanup, defineTrim } from './cleanup.js';

export const JobsCleanup = defineCleanup('jobs.cleanup', '17 3 * * *');

export const JobsTrim = defineTrim('jobs.trim', 1);
