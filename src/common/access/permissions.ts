// Access rights: permissions derive from the role.

export const ROLES = ['ADMIN', 'USER'] as const;
export type Role = (typeof ROLES)[number];

declare const defined: unique symbol;
/** A permission for objects of other users or for administration, like `users:read`. Only `definePermissions` makes one. */
export type Permission = string & { readonly [defined]: true };

const permissions = new Set<Permission>();
const BY_ROLE: Record<Role, ReadonlySet<Permission>> = { ADMIN: permissions, USER: new Set() };

/** Declares the permissions of a module, in the module. Throws when a name is taken. */
export function definePermissions<Key extends string>(names: Record<Key, string>): Readonly<Record<Key, Permission>> {
  for (const name of Object.values<string>(names)) {
    if (permissions.has(name as Permission)) throw new Error(`The permission ${name} is defined twice.`);
    permissions.add(name as Permission);
  }
  return Object.freeze(names) as Readonly<Record<Key, Permission>>;
}

/** Permissions for the soft-deleted objects of all modules. */
export const DeletedPermissions = definePermissions({ read: 'deleted:read', restore: 'deleted:restore' });

/** Returns the permissions of a role, in the order of their definition. */
export function permissionsOf(role: Role): Permission[] {
  return [...BY_ROLE[role]];
}

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
