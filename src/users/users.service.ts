// Operations on accounts: list, create, read, change, delete and restore.
import { Injectable } from '@nestjs/common';
import type { Page } from '../common/repositories/page.js';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import type { Rendered } from '../common/http/hooks/representation.hooks.js';
import type { Actor } from '../common/access/permissions.js';
import { PrivilegedAccess } from '../common/access/privileged-access.js';
import type { AppError } from '../shared/libs/app-error.js';
import { Transaction } from '../shared/database/transaction.js';
import { Events } from '../shared/events/events.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { PasswordHasher } from '../shared/security/password-hasher.js';
import { type PersonalDetails, findPasswordFault, type PasswordFault } from '../shared/security/password-policy.js';
import {
  type ChangeProfileDto,
  type ChangeUserDto,
  type CreateUserDto,
  type ListUsersQuery,
  renderUser,
} from './dto/user.dto.js';
import type { User } from './user.entity.js';
import { UserErrors } from './users.errors.js';
import { maySee, UserPermissions } from './users.policy.js';
import { UsersRepository, withPassword } from './users.repository.js';
import { UserLockedOut } from './users.events.js';

@Injectable()
export class UsersService {
  constructor(
    private readonly users: UsersRepository,
    private readonly transaction: Transaction,
    private readonly hasher: PasswordHasher,
    private readonly events: Events,
    private readonly access: PrivilegedAccess,
  ) {}

  /** Lists users. Throws INVALID_CURSOR. */
  list(query: ListUsersQuery): Promise<Page<User>> {
    return this.users.list(query);
  }

  /** Throws NAMELESS, VALIDATION_FAILED, PASSWORD_TOO_LONG, EMAIL_TAKEN, USERNAME_TAKEN. */
  async create({ password, ...values }: CreateUserDto): Promise<User> {
    if (!values.email && !values.username) throw UserErrors.NAMELESS();
    if (password !== undefined) expectGoodPassword('password', password, values);
    const passwordHash = password === undefined ? null : await this.hash(password);
    return this.users.create({ ...values, passwordHash }, renderUser);
  }

  /** Returns the user. Throws NOT_FOUND, also when the actor may not read it. */
  async get(actor: Actor, id: string): Promise<Rendered> {
    const user = maySee(actor, id) ? await this.users.cachedById(id, renderUser) : null;
    if (!user) throw UserErrors.NOT_FOUND(id);
    if (id !== actor.id) await this.access.read(actor, UserPermissions.read, id);
    return user;
  }

  /** Returns the actor's own account, if it is in memory. Reading another one is recorded, so it is not answered from here. */
  peek(actor: Actor, id: string): Rendered | undefined {
    return id === actor.id ? this.users.peekById(id) : undefined;
  }

  /**
   * Changes a user. A new password or role ends the user's sessions. Throws NOT_FOUND,
   * VERSION_STALE, VALIDATION_FAILED, PASSWORD_TOO_LONG, LAST_ADMIN, EMAIL_TAKEN, USERNAME_TAKEN, NAMELESS.
   */
  async change(id: string, expected: ExpectedVersions, body: ChangeUserDto): Promise<User> {
    const { password, ...patch } = body;
    const secret = password === undefined ? {} : withPassword(await this.hashFor(id, password, patch));
    return this.transaction.run(async () => {
      if (patch.role === 'USER') await this.keepAnAdmin(id);
      const before = patch.role === undefined ? null : await this.users.findById(id);
      const user = await this.users.update(id, { ...patch, ...secret }, expected);
      if (!user.email && !user.username) throw UserErrors.NAMELESS();
      const endsSessions = password !== undefined || (before !== null && before.role !== user.role);
      if (endsSessions) await this.events.emit(UserLockedOut, { userId: user.uuid }, { id: user.uuid });
      return user;
    });
  }

  /** Changes the caller's own profile. Throws USERNAME_TAKEN, VERSION_STALE, NAMELESS. */
  changeProfile(actor: Actor, expected: ExpectedVersions, patch: ChangeProfileDto): Promise<User> {
    const change = async (): Promise<User> => {
      const user = await this.users.update(actor.id, patch, expected);
      if (!user.email && !user.username) throw UserErrors.NAMELESS();
      return user;
    };
    return this.transaction.runInTurn(`users:${actor.id}`, change);
  }

  /** Deletes a user softly and ends its sessions. Throws NOT_FOUND, VERSION_STALE, LAST_ADMIN. */
  delete(id: string, expected: ExpectedVersions): Promise<void> {
    return this.transaction.run(async () => {
      await this.keepAnAdmin(id);
      await this.users.delete(id, expected);
      await this.events.emit(UserLockedOut, { userId: id }, { id });
    });
  }

  /** Restores a deleted user. Throws NOT_FOUND unless the user is deleted, EMAIL_TAKEN, USERNAME_TAKEN. */
  restore(id: string): Promise<User> {
    return this.users.undelete(id);
  }

  /** Hashes a password. Throws PASSWORD_TOO_LONG. */
  hash(password: string): Promise<string> {
    if (!this.hasher.fits(password)) throw UserErrors.PASSWORD_TOO_LONG();
    return this.hasher.hash(password);
  }

  private async hashFor(id: string, password: string, patch: PersonalDetails): Promise<string> {
    const user = await this.users.findById(id);
    if (!user) throw UserErrors.NOT_FOUND(id);
    expectGoodPassword('password', password, { ...user, ...patch });
    return this.hash(password);
  }

  private async keepAnAdmin(id: string): Promise<void> {
    await this.users.lockAdmins(); // before the read of the role, which another transaction may be changing
    const user = await this.users.findById(id);
    if (user?.role === 'ADMIN' && !(await this.users.hasAdminBeside(id))) throw UserErrors.LAST_ADMIN();
  }
}

/**
 * Rejects passwords that attackers try first. The result depends only on the password and on what the caller knows of the
 * account. `field`: name of the field in the request. Throws VALIDATION_FAILED.
 */
export function expectGoodPassword(field: string, password: string, details: PersonalDetails): void {
  const fault = findPasswordFault(password, details);
  if (fault) throw refusePassword(field, fault);
}

/** Returns a VALIDATION_FAILED error with the field and the rule. */
export function refusePassword(field: string, { rule, message: words }: PasswordFault): AppError {
  const message = `${field} ${words}`;
  return HttpErrors.VALIDATION_FAILED(message).withFields([{ field, rule, message }]);
}
