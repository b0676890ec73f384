// Who may do what with a user. Pure.
import { type Actor, can } from '../common/access/permissions.js';

/** Administrators see everyone, everyone sees itself. */
export function maySee(actor: Actor, uuid: string): boolean {
  return actor.id === uuid || can(actor, 'users:read');
}
