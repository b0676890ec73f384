// The events of files and their links.
import { defineEvent, type RowChange } from '../shared/events/event.js';

export const FileCreated = defineEvent<RowChange>('file.created', { published: true });
export const FileUpdated = defineEvent<RowChange>('file.updated', { published: true });
export const FileDeleted = defineEvent<RowChange>('file.deleted', { published: true });
/** An administrator brought the file back. */
export const FileRestored = defineEvent<RowChange>('file.restored', { published: true, audited: true });

export const LinkCreated = defineEvent<RowChange>('file-link.created', { published: true });
export const LinkRevoked = defineEvent<RowChange>('file-link.revoked', { published: true });
