// Access rights: permissions derive from the role.

export const ROLES = ['ADMIN', 'USER'] as const;
export type Role = (typeof ROLES)[number];

/** Permissions for objects of other users and for administration. */
export const PERMISSIONS = [
  'users:read',
  'users:write',
  'deleted:read',
  'deleted:restore',
  'cache:read',
  'cache:clear',
  'audit:read',
  'jobs:read',
  'jobs:replay',
  'jobs:discard',
  'jobs:prioritize',
  'schedules:read',
  'schedules:run',
  'buckets:write',
  'files:maintain',
  'docs:read',
] as const;
export type Permission = (typeof PERMISSIONS)[number];

const BY_ROLE: Record<Role, ReadonlySet<Permission>> = { ADMIN: new Set(PERMISSIONS), USER: new Set() };

/** The user that makes the request. `id` is the public UUID, `key` the internal snowflake, `sessionId` the session's UUID. */
export interface Actor {
  readonly id: string;
  readonly key: string;
  readonly role: Role;
  readonly sessionId: string;
}

/** The owner of an object: a user with the ids of `Actor`. */
export type Owner = Pick<Actor, 'id' | 'key'>;

export function can(actor: Pick<Actor, 'role'>, permission: Permission): boolean {
  return BY_ROLE[actor.role].has(permission);
}
