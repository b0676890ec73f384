// Keeping the jobs' tables small, as a job.
import { defineCleanup } from './cleanup.js';

export const JobsCleanup = defineCleanup('jobs.cleanup', '17 3 * * *');
