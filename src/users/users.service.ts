// What may happen to an account.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../common/decorators/if-match.decorator.js';
import type { Rendered } from '../common/hooks/representation.hooks.js';
import type { Actor } from '../common/permissions.js';
import { Transaction } from '../shared/services/database/transaction.js';
import { Events } from '../shared/services/events/events.js';
import { PasswordHasher } from '../shared/services/security/password-hasher.js';
import type { ChangeProfileDto, ChangeUserDto, CreateUserDto } from './dto/user.dto.js';
import type { User } from './user.entity.js';
import { UserErrors } from './users.errors.js';
import { maySee } from './users.policy.js';
import { UsersRepository } from './users.repository.js';

@Injectable()
export class UsersService {
  constructor(
    private readonly users: UsersRepository,
    private readonly transaction: Transaction,
    private readonly hasher: PasswordHasher,
    private readonly events: Events,
  ) {}

  /** Throws NAMELESS, PASSWORD_TOO_LONG, EMAIL_TAKEN, USERNAME_TAKEN. */
  async create({ password, ...values }: CreateUserDto): Promise<User> {
    if (!values.email && !values.username) throw UserErrors.NAMELESS();
    return this.users.create({ ...values, passwordHash: password === undefined ? null : await this.hash(password) });
  }

  /** Throws NOT_FOUND, also for who may not see it. */
  async get(actor: Actor, id: string): Promise<Rendered> {
    const user = maySee(actor, id) ? await this.users.renderById(id) : null;
    if (!user) throw UserErrors.NOT_FOUND(id);
    return user;
  }

  /** A new password or role ends the sessions. Throws NOT_FOUND, VERSION_STALE, LAST_ADMIN, EMAIL_TAKEN, USERNAME_TAKEN, NAMELESS. */
  async change(id: string, expected: ExpectedVersions, { password, ...patch }: ChangeUserDto): Promise<User> {
    const secret = password === undefined ? {} : { passwordHash: await this.hash(password) };
    return this.transaction.run(async () => {
      if (patch.role === 'USER') await this.keepAnAdmin(id);
      const before = patch.role === undefined ? null : await this.users.findById(id);
      const user = await this.users.update(id, { ...patch, ...secret }, expected);
      if (!user.email && !user.username) throw UserErrors.NAMELESS();
      const endsSessions = password !== undefined || (before !== null && before.role !== user.role);
      if (endsSessions) await this.events.emit('user.locked-out', { userId: user.uuid });
      return user;
    });
  }

  /** Throws USERNAME_TAKEN, VERSION_STALE. */
  changeProfile(actor: Actor, expected: ExpectedVersions, patch: ChangeProfileDto): Promise<User> {
    return this.transaction.run(async () => {
      const user = await this.users.update(actor.id, patch, expected);
      if (!user.email && !user.username) throw UserErrors.NAMELESS();
      return user;
    });
  }

  /** Soft; ends the sessions. Throws NOT_FOUND, VERSION_STALE, LAST_ADMIN. */
  delete(id: string, expected: ExpectedVersions): Promise<void> {
    return this.transaction.run(async () => {
      await this.keepAnAdmin(id);
      await this.users.delete(id, expected);
      await this.events.emit('user.locked-out', { userId: id });
    });
  }

  /** Throws PASSWORD_TOO_LONG. */
  hash(password: string): Promise<string> {
    if (!this.hasher.fits(password)) throw UserErrors.PASSWORD_TOO_LONG();
    return this.hasher.hash(password);
  }

  private async keepAnAdmin(id: string): Promise<void> {
    await this.users.lockAdmins(); // before the role is read, which another change may be about to write
    const user = await this.users.findById(id);
    if (user?.role === 'ADMIN' && !(await this.users.hasAdminBeside(id))) throw UserErrors.LAST_ADMIN();
  }
}
