// Registers users, logs them in and changes their passwords.
import { Injectable } from '@nestjs/common';
import type { Actor } from '../common/access/permissions.js';
import { normalize } from '../shared/libs/text.js';
import { Transaction } from '../shared/database/transaction.js';
import { Events } from '../shared/events/events.js';
import { PasswordHasher } from '../shared/security/password-hasher.js';
import type { User } from '../users/user.entity.js';
import { renderUser } from '../users/dto/user.dto.js';
import { UsersRepository, withPassword } from '../users/users.repository.js';
import { expectGoodPassword, refusePassword, UsersService } from '../users/users.service.js';
import { LoginFailed, PasswordChangeFailed } from './auth.events.js';
import { AuthErrors } from './auth.errors.js';
import { type KnownDevice, MAX_DEVICES } from './device-cookie.js';
import type { ChangePasswordDto, LoginDto, RegisterDto, TokensDto } from './dto/auth.dto.js';
import { LoginThrottle } from './login-throttle.js';
import { type Client, SessionsService } from './sessions.service.js';
import { KeyedSemaphore } from '../shared/libs/semaphore.js';

/** Client that logs in. */
export interface Device extends Client {
  /** The known device in its cookie. */
  known: KnownDevice | null;
}

/** Result of a login: tokens for the caller, and the content of the device cookie. */
export interface Login {
  tokens: TokensDto;
  device: KnownDevice;
}

const SAME_PASSWORD = { rule: 'isNotCurrent', message: 'must differ from the current password: choose another one' };

@Injectable()
export class AuthService {
  /** One at a time per user, who may have a hundred sessions: the line for hashes is for all users. */
  private readonly changes = new KeyedSemaphore(1, 100, 10_000);

  constructor(
    private readonly transaction: Transaction,
    private readonly hasher: PasswordHasher,
    private readonly throttle: LoginThrottle,
    private readonly accounts: UsersService,
    private readonly users: UsersRepository,
    private readonly sessions: SessionsService,
    private readonly events: Events,
  ) {}

  /** Creates an account and logs in. Throws EMAIL_TAKEN, VALIDATION_FAILED, PASSWORD_TOO_LONG. */
  async register(values: RegisterDto, device: Device): Promise<Login> {
    expectGoodPassword('password', values.password, values);
    const passwordHash = await this.accounts.hash(values.password);
    return this.transaction.run(async () => {
      const { email, name } = values;
      const user = await this.users.create({ email, name, passwordHash }, renderUser);
      return this.startSession(user, device);
    });
  }

  /** Logs in. Throws INVALID_CREDENTIALS, ACCOUNT_SLOWED. */
  async login(values: LoginDto, device: Device): Promise<Login> {
    // Unknown devices cause no query before the throttle.
    const user = device.known && (await this.users.findByEmail(values.email));
    const known = user && isKnown(device.known, user) ? device.known : null;
    return this.throttle.login(values.email, known, (isLastGuess) => this.openSession(values, device, isLastGuess));
  }

  /** Takes the same time for an unknown e-mail and a wrong password. Throws INVALID_CREDENTIALS. */
  private async openSession({ email, password }: LoginDto, device: Device, isLastGuess: boolean): Promise<Login> {
    const user = await this.users.findByEmail(email);
    const known = await this.hasher.verify(user?.passwordHash ?? null, password);
    if (!user?.passwordHash || !known) {
      const id = user?.uuid ?? null;
      await this.events.emit(LoginFailed, { userId: id, isLastGuess }, { id }); // also without an account: it must take as long
      throw AuthErrors.INVALID_CREDENTIALS();
    }
    const upgradedHash = await this.hasher.improve(user.passwordHash, password);
    return this.transaction.run(async () => {
      if (!(await this.users.claimWithHash(user))) throw AuthErrors.INVALID_CREDENTIALS();
      if (upgradedHash !== null) await this.users.upgradeHash(user, upgradedHash);
      return this.startSession(user, device);
    });
  }

  /**
   * Changes the password. Ends the caller's other sessions, and makes all devices unknown except this one. Throws
   * VALIDATION_FAILED, INVALID_CREDENTIALS, ACCOUNT_SLOWED, PASSWORD_TOO_LONG.
   */
  async changePassword(actor: Actor, values: ChangePasswordDto, device: Device): Promise<KnownDevice> {
    const user = await this.users.findById(actor.id);
    const { currentPassword, newPassword } = values;
    if (normalize(newPassword) === normalize(currentPassword)) throw refusePassword('newPassword', SAME_PASSWORD);
    expectGoodPassword('newPassword', newPassword, user ?? {});
    return this.changes.run(actor.id, () =>
      this.throttle.changePassword(actor.sessionId, (isLastGuess) =>
        this.replacePassword(actor, user, values, device, isLastGuess),
      ),
    );
  }

  private async replacePassword(
    actor: Actor,
    user: User | null,
    { currentPassword, newPassword }: ChangePasswordDto,
    device: Device,
    isLastGuess: boolean,
  ): Promise<KnownDevice> {
    const known = await this.hasher.verify(user?.passwordHash ?? null, currentPassword);
    if (!user || !known) {
      await this.events.emit(PasswordChangeFailed, { userId: actor.id, isLastGuess }, { id: actor.id });
      throw AuthErrors.INVALID_CREDENTIALS();
    }
    const passwordHash = await this.accounts.hash(newPassword);
    return this.transaction.run(async () => {
      if (!(await this.users.claimWithHash(user))) throw AuthErrors.INVALID_CREDENTIALS();
      const changed = await this.users.update(actor.id, withPassword(passwordHash), null);
      await this.sessions.endOthers(actor);
      const number = isKnown(device.known, user) ? device.known.number : await this.nextNumber(user);
      return { userId: user.uuid, generation: changed.passwordGeneration, number };
    });
  }

  /** Opens a session. Runs inside a transaction. */
  private async startSession(user: User, device: Device): Promise<Login> {
    const tokens = await this.sessions.open(user, device);
    if (isKnown(device.known, user)) return { tokens, device: device.known };
    const number = await this.nextNumber(user);
    return { tokens, device: { userId: user.uuid, generation: user.passwordGeneration, number } };
  }

  private async nextNumber(user: User): Promise<number> {
    return (await this.users.addDevice(user)) % MAX_DEVICES;
  }
}

/** True when the account has logged in on the device with its current password. */
function isKnown(device: KnownDevice | null, user: User): device is KnownDevice {
  return device?.userId === user.uuid && device.generation === user.passwordGeneration;
}
