// Permissions and access rules of users.
import { type Actor, can, definePermissions } from '../common/access/permissions.js';

export const UserPermissions = definePermissions({ read: 'users:read', write: 'users:write' });

/** True for administrators, and for the user itself. */
export function maySee(actor: Actor, uuid: string): boolean {
  return actor.id === uuid || can(actor, UserPermissions.read);
}
