// Keeping the links' table small, as a job.
import { defineCleanup } from '../../workers/cleanup/cleanup.js';

export const LinksCleanup = defineCleanup('links.cleanup', '37 3 * * *');
