// Permission rules of users. Pure.
import { type Actor, can } from '../common/access/permissions.js';

/** True for administrators, and for the user itself. */
export function maySee(actor: Actor, uuid: string): boolean {
  return actor.id === uuid || can(actor, 'users:read');
}
