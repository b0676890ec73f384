// Job definition of the cleanup of the jobs tables.
import { defineCleanup } from './cleanup.js';

export const JobsCleanup = defineCleanup('jobs.cleanup', '17 3 * * *');
