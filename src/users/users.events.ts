// The events of accounts.
import { defineAuditedEvent, defineEvent } from '../shared/events/event.js';

interface ByAdmin {
  actorId: string;
  userId: string;
}

/** The user was deleted or has a new password or role: all sessions of this user must end. */
export const UserLockedOut = defineEvent<{ userId: string }>('user.locked-out');

export const UserCreated = defineAuditedEvent<ByAdmin & { role: string }>('user.created');
/** `fields`: the names of the changed fields. */
export const UserChanged = defineAuditedEvent<ByAdmin & { role: string; fields: string[] }>('user.changed');
export const UserDeleted = defineAuditedEvent<ByAdmin>('user.deleted');
export const UserRestored = defineAuditedEvent<ByAdmin>('user.restored');
