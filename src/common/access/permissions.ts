// Who may do what: permissions derive from the role.

export const ROLES = ['ADMIN', 'USER'] as const;
export type Role = (typeof ROLES)[number];

/** Permissions that go beyond one's own objects. */
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

/** Whoever makes the request. `id` is the public UUID, `key` the internal snowflake, `sessionId` the session's UUID. */
export interface Actor {
  readonly id: string;
  readonly key: string;
  readonly role: Role;
  readonly sessionId: string;
}

/** Whose an object is: a user, as `Actor` names it. */
export type Owner = Pick<Actor, 'id' | 'key'>;

export function can(actor: Pick<Actor, 'role'>, permission: Permission): boolean {
  return BY_ROLE[actor.role].has(permission);
}
