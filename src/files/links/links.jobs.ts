// Job definitions of the cleanups of the links table.
import { defineCleanup, defineTrim } from '../../workers/cleanup/cleanup.js';

export const LinksCleanup = defineCleanup('links.cleanup', '37 3 * * *');

export const LinksTrim = defineTrim('links.trim', 3);
