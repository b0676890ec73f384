// The users table.
import { Injectable } from '@nestjs/common';
import { newUuid } from '../shared/libs/new-uuid.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import { BaseRepository, type ChangeRequest, type SortColumn } from '../common/repositories/base.repository.js';
import type { EventShape } from '../common/repositories/event-of-row.js';
import type { OriginSource } from '../shared/events/record-events.js';
import { escapeLike } from '../shared/libs/text.js';
import { constraintOf } from '../shared/database/sql-state.js';
import type { Role } from '../common/access/permissions.js';
import type { JobOwners } from '../workers/job-owners.js';
import { User } from './user.entity.js';
import { PasswordChanged, UserCreated, UserDeleted, UserRestored, UserUpdated } from './users.events.js';
import { UserErrors } from './users.errors.js';

/** Cache tag of a user: a change of the account invalidates its cached reads. */
export const userTag = (uuid: string): string => `user:${uuid}`;

const userKey = (uuid: string): string => `user:${uuid}`;

/** Returns the patch of a new password. An upgraded hash is still the same password and does not use it. */
export function withPassword(passwordHash: string): Partial<User> {
  return { passwordHash, passwordGeneration: (() => 'password_generation + 1') as unknown as number };
}

function requestFor(uuid: string, event: typeof UserUpdated): ChangeRequest<User> {
  return { where: { uuid }, tags: [userTag(uuid)], event, missing: () => UserErrors.NOT_FOUND(uuid) };
}

export interface UsersRequest extends PageRequest {
  deleted?: boolean;
  role?: Role;
  /** Part of the e-mail, name or username. */
  q?: string;
}

@Injectable()
export class UsersRepository extends BaseRepository<User> implements JobOwners {
  protected readonly entity = User;
  protected readonly eventShape: EventShape<User> = {
    owner: 'id',
    fields: ['email', 'name', 'username', 'age', 'hobbies', 'role'],
  };
  protected readonly sorts: Record<string, SortColumn<User>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
    updatedAt: { sql: 'row.updated_at', type: 'timestamptz', value: (row) => row.updatedAt },
  };

  /** Creates a user, and caches what `represent` makes of it for `cachedById`. Throws EMAIL_TAKEN, USERNAME_TAKEN. */
  create(values: Partial<User>, represent: (user: User) => unknown): Promise<User> {
    const uuid = newUuid();
    const insert = async (): Promise<User> => {
      const [user] = await this.unique(() => this.insertAll([{ ...values, uuid }], UserCreated));
      return user as User;
    };
    return this.cache.creating(userKey(uuid), this.tools.cached(userTag(uuid)), insert, represent);
  }

  /** Returns SQL that records the creation of the rows of `source`, for a statement that inserts users (see `recordRows`). */
  recordCreated(source: string, origin: OriginSource): string {
    return this.recordRows(UserCreated, source, origin);
  }

  findById(uuid: string): Promise<User | null> {
    return this.rows().where({ uuid }).getOne();
  }

  /** Returns what `represent` makes of the user, cached. */
  async cachedById<T>(uuid: string, represent: (user: User) => T): Promise<T | null> {
    return this.cache.wrap(userKey(uuid), this.tools.cached(userTag(uuid)), async () => {
      const user = await this.findById(uuid);
      return user && represent(user);
    });
  }

  /** Returns what `cachedById` would, if this process holds it in memory. */
  peekById<T>(uuid: string): T | undefined {
    return this.cache.peek(userKey(uuid));
  }

  /** Returns the role of a user by its internal key; null when deleted. Not cached: every attempt at a job needs it fresh. */
  async findRole(key: string): Promise<Role | null> {
    const [row] = await this.transaction.read<{ role: Role }>({
      name: 'user-role',
      text: 'SELECT role FROM users WHERE id = $1 AND deleted_at IS NULL',
      values: [key],
    });
    return row?.role ?? null;
  }

  /** `email`: in lower case. */
  findByEmail(email: string): Promise<User | null> {
    return this.rows().where({ email }).getOne();
  }

  /**
   * Locks the user until the commit and returns it, if its password hash is still the verified one; null otherwise. Must
   * run inside a transaction. The verification takes long enough for the password to change meanwhile.
   */
  claimWithHash(verified: User): Promise<User | null> {
    const { id, passwordHash } = verified;
    return this.rows().where({ id, passwordHash }).setLock('pessimistic_write').getOne();
  }

  list(query: UsersRequest): Promise<Page<User>> {
    const rows = this.pageQuery(query.deleted ? 'deleted' : 'present');
    if (query.role) rows.where('row.role = :role', { role: query.role });
    if (query.q !== undefined) {
      const parts = ['email', 'name', 'username'].map((column) => `row.${column} ILIKE :q`);
      rows.where(parts.join(' OR '), { q: `%${escapeLike(query.q)}%` });
    }
    return this.page(rows, query);
  }

  /** Changes a user. Throws NOT_FOUND, VERSION_STALE, EMAIL_TAKEN, USERNAME_TAKEN. */
  update(uuid: string, patch: Partial<User>, expected: ExpectedVersions): Promise<User> {
    const event = patch.passwordHash === undefined ? UserUpdated : PasswordChanged;
    return this.unique(() => this.change(patch, { ...requestFor(uuid, event), expected }));
  }

  /** Deletes a user softly. Throws NOT_FOUND, VERSION_STALE. */
  delete(uuid: string, expected: ExpectedVersions): Promise<User> {
    return this.remove({ ...requestFor(uuid, UserDeleted), expected });
  }

  /** Restores a deleted user. Throws NOT_FOUND unless the user is deleted, EMAIL_TAKEN, USERNAME_TAKEN. */
  undelete(uuid: string): Promise<User> {
    return this.unique(() => this.restore(requestFor(uuid, UserRestored)));
  }

  /** Stores a better hash of the same password, unless the password has changed meanwhile. */
  async upgradeHash(user: User, hash: string): Promise<void> {
    await this.transaction.query({
      name: 'user-upgrade-hash',
      text: 'UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2', // invisible to clients: same version
      values: [user.id, user.passwordHash, hash],
    });
  }

  /** Counts the first login on a device. Returns the number of such logins before. */
  async addDevice(user: User): Promise<number> {
    const [row] = await this.transaction.query<{ before: number }>({
      name: 'user-add-device',
      // The count is invisible to clients.
      text: 'UPDATE users SET device_count = device_count + 1 WHERE id = $1 RETURNING device_count - 1 AS before',
      values: [user.id],
    });
    return row?.before ?? 0;
  }

  /** Prevents until the commit that another transaction removes an administrator. Runs inside a transaction. */
  async lockAdmins(): Promise<void> {
    await this.transaction.manager.query(`SELECT pg_advisory_xact_lock(hashtextextended('users:administrators', 0))`);
  }

  hasAdmin(): Promise<boolean> {
    return this.rows().where("row.role = 'ADMIN'").getExists();
  }

  /** True when another administrator exists that is not deleted. */
  hasAdminBeside(uuid: string): Promise<boolean> {
    return this.rows().where("row.role = 'ADMIN' AND row.uuid <> :uuid", { uuid }).getExists();
  }

  private async unique<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      const constraint = constraintOf(error);
      if (constraint === 'users_email_key') throw UserErrors.EMAIL_TAKEN();
      if (constraint === 'users_username_key') throw UserErrors.USERNAME_TAKEN();
      throw error;
    }
  }
}
