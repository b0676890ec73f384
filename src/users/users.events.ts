// The events of accounts.
import { defineEvent, type RowChange } from '../shared/events/event.js';

export const UserCreated = defineEvent<RowChange>('user.created', { published: true, audited: true });
export const UserUpdated = defineEvent<RowChange>('user.updated', { published: true, audited: true });
export const UserDeleted = defineEvent<RowChange>('user.deleted', { published: true, audited: true });
export const UserRestored = defineEvent<RowChange>('user.restored', { published: true, audited: true });
/** The user has a new password. */
export const PasswordChanged = defineEvent<RowChange>('user.password-changed', { published: true, audited: true });

/** The user was deleted or has a new password or role: all sessions of this user must end. */
export const UserLockedOut = defineEvent<{ userId: string }>('user.locked-out', { audited: true });
