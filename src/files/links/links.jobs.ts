// Job definition of the cleanup of the links table.
import { defineCleanup } from '../../workers/cleanup/cleanup.js';

export const LinksCleanup = defineCleanup('links.cleanup', '37 3 * * *');
