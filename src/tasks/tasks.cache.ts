// The cache tags of tasks: a change of a task invalidates its cached reads and the lists of its owner.
import type { Actor } from '../common/access/permissions.js';

export const taskTag = (uuid: string): string => `task:${uuid}`;
export const listTag = (ownerUuid: string): string => `tasks-of:${ownerUuid}`;

/** The key of a task as one of its possible readers sees it. */
export const ownedKey = (actor: Actor, uuid: string): string => `task:${actor.id}:${uuid}`;
