// Registers users, logs them in, refreshes their tokens, changes passwords, and lists and ends sessions.
import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Page } from '../common/repositories/page.js';
import type { Actor } from '../common/access/permissions.js';
import { SessionSettings } from './sessions.settings.js';
import { Clock } from '../shared/libs/clock.js';
import { normalize } from '../shared/libs/text.js';
import { Transaction } from '../shared/database/transaction.js';
import { Events } from '../shared/events/events.js';
import { AccessTokens } from '../shared/security/access-tokens.js';
import { PasswordHasher } from '../shared/security/password-hasher.js';
import { RefreshTokens } from '../shared/security/refresh-tokens.js';
import { toUserDto } from '../users/dto/user.dto.js';
import type { User } from '../users/user.entity.js';
import { renderUser } from '../users/dto/user.dto.js';
import { UsersRepository, withPassword } from '../users/users.repository.js';
import { expectGoodPassword, refusePassword, UsersService } from '../users/users.service.js';
import { AuthErrors } from './auth.errors.js';
import { type KnownDevice, MAX_DEVICES } from './device-cookie.js';
import type { ChangePasswordDto, ListSessionsQuery, LoginDto, RegisterDto, TokensDto } from './dto/auth.dto.js';
import { LoginThrottle } from './login-throttle.js';
import type { Session } from './session.entity.js';
import { SessionsRepository } from './sessions.repository.js';
import { UserLockedOut } from '../users/users.events.js';
import { KeyedSemaphore } from '../shared/libs/semaphore.js';

/** Client that opens a session. */
export interface Device {
  ip: string | null;
  userAgent: string;
  /** The known device in its cookie. */
  known: KnownDevice | null;
}

/** Result of a login: tokens for the caller, and the content of the device cookie. */
export interface Login {
  tokens: TokensDto;
  device: KnownDevice;
}

const SAME_PASSWORD = { rule: 'isNotCurrent', message: 'must differ from the current password: choose another one' };

/** State of a refresh token in its session. */
type TokenState = 'current' | 'previous' | 'reused' | 'invalid';

@Injectable()
export class AuthService {
  /** One at a time per user, who may have a hundred sessions: the line for hashes is for all users. */
  private readonly changes = new KeyedSemaphore(1, 100, 10_000);

  constructor(
    private readonly settings: SessionSettings,
    private readonly clock: Clock,
    private readonly transaction: Transaction,
    events: Events,
    private readonly accessTokens: AccessTokens,
    private readonly refreshTokens: RefreshTokens,
    private readonly hasher: PasswordHasher,
    private readonly throttle: LoginThrottle,
    private readonly accounts: UsersService,
    private readonly users: UsersRepository,
    private readonly sessions: SessionsRepository,
  ) {
    events.within(UserLockedOut, ({ userId }) => sessions.endAll(userId, 'locked-out'));
  }

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
    return this.throttle.login(values.email, known, () => this.openSession(values, device));
  }

  /** Takes the same time for an unknown e-mail and a wrong password. Throws INVALID_CREDENTIALS. */
  private async openSession({ email, password }: LoginDto, device: Device): Promise<Login> {
    const user = await this.users.findByEmail(email);
    const known = await this.hasher.verify(user?.passwordHash ?? null, password);
    if (!user?.passwordHash || !known) throw AuthErrors.INVALID_CREDENTIALS();
    const upgradedHash = await this.hasher.improve(user.passwordHash, password);
    return this.transaction.run(async () => {
      if (!(await this.users.claimWithHash(user))) throw AuthErrors.INVALID_CREDENTIALS();
      if (upgradedHash !== null) await this.users.upgradeHash(user, upgradedHash);
      return this.startSession(user, device);
    });
  }

  /**
   * Rotates a refresh token. Within the grace period, the previous token gets the same successor (two tabs, a lost answer);
   * an older one ends the session (RFC 9700, 4.14.2). Throws REFRESH_INVALID, REFRESH_REUSED.
   */
  async refresh(text: string): Promise<TokensDto> {
    const token = this.refreshTokens.read(text);
    if (!token) throw AuthErrors.REFRESH_INVALID();
    const rotate = async (): Promise<[TokenState, TokensDto | null]> => {
      const session = await this.sessions.claim(token.sessionId);
      const user = session && (await this.sessions.findUserOf(token.sessionId))?.user;
      if (!session || !user || !this.refreshTokens.isGenuine(token, session.salt)) return ['invalid', null];
      const tokenState = this.tokenState(session, token.generation);
      if (tokenState === 'reused') await this.sessions.end(session.uuid, session.userId, 'reuse');
      if (tokenState === 'reused' || tokenState === 'invalid') return [tokenState, null];
      const now = new Date(this.clock.now());
      const current =
        tokenState === 'current' ? await this.sessions.rotate(session, session.generation + 1, now) : session;
      return [tokenState, this.tokens(user, current)];
    };
    const [tokenState, answer] = await this.transaction.runInTurn(`sessions:${token.sessionId}`, rotate);
    if (answer) return answer;
    throw tokenState === 'reused' ? AuthErrors.REFRESH_REUSED() : AuthErrors.REFRESH_INVALID();
  }

  logout(actor: Actor): Promise<void> {
    return this.sessions.end(actor.sessionId, actor.key, 'logout');
  }

  logoutAll(actor: Actor): Promise<void> {
    return this.transaction.run(() => this.sessions.endAll(actor.id, 'logout-all'));
  }

  /** Lists the caller's active sessions: first the current one, then the newest. Throws INVALID_CURSOR. */
  listSessions(actor: Actor, query: ListSessionsQuery): Promise<Page<Session>> {
    const now = this.clock.now();
    return this.sessions.listOf(actor, query, new Date(now), new Date(now - this.settings.idleTtl));
  }

  /** Ends a session of the caller. Throws SESSION_NOT_FOUND. */
  revoke(actor: Actor, sessionId: string): Promise<void> {
    return this.sessions.end(sessionId, actor.key, 'revoked');
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
      this.throttle.changePassword(actor.sessionId, () => this.replacePassword(actor, user, values, device)),
    );
  }

  private async replacePassword(
    actor: Actor,
    user: User | null,
    { currentPassword, newPassword }: ChangePasswordDto,
    device: Device,
  ): Promise<KnownDevice> {
    const known = await this.hasher.verify(user?.passwordHash ?? null, currentPassword);
    if (!user || !known) throw AuthErrors.INVALID_CREDENTIALS();
    const passwordHash = await this.accounts.hash(newPassword);
    return this.transaction.run(async () => {
      if (!(await this.users.claimWithHash(user))) throw AuthErrors.INVALID_CREDENTIALS();
      const changed = await this.users.update(actor.id, withPassword(passwordHash), null);
      await this.sessions.endAll(actor.id, 'locked-out', actor.sessionId);
      const number = isKnown(device.known, user) ? device.known.number : await this.nextNumber(user);
      return { userId: user.uuid, generation: changed.passwordGeneration, number };
    });
  }

  /** Opens a session. Runs inside a transaction. */
  private async startSession(user: User, device: Device): Promise<Login> {
    const tokens = this.tokens(user, await this.open(user, device));
    if (isKnown(device.known, user)) return { tokens, device: device.known };
    const number = await this.nextNumber(user);
    return { tokens, device: { userId: user.uuid, generation: user.passwordGeneration, number } };
  }

  private async nextNumber(user: User): Promise<number> {
    return (await this.users.addDevice(user)) % MAX_DEVICES;
  }

  /** Creates the session. Runs in a transaction that has locked the user's row. */
  private async open(user: User, device: Device): Promise<Session> {
    const now = this.clock.now();
    const session = await this.sessions.create({
      userId: user.id,
      salt: randomBytes(32).toString('base64url'),
      rotatedAt: new Date(now),
      expiresAt: new Date(now + this.settings.ttl),
      ip: device.ip,
      userAgent: device.userAgent.slice(0, 200),
    });
    await this.sessions.endBeyond(user.id, this.settings.quota);
    return session;
  }

  private tokenState(session: Session, generation: number): TokenState {
    const now = this.clock.now();
    const sinceRotation = now - session.rotatedAt.getTime();
    if (session.expiresAt.getTime() <= now || sinceRotation > this.settings.idleTtl) return 'invalid';
    if (generation === session.generation) return 'current';
    if (generation === session.generation - 1 && sinceRotation <= this.settings.refreshGrace) return 'previous';
    return generation < session.generation ? 'reused' : 'invalid';
  }

  private tokens(user: User, session: Session): TokensDto {
    return {
      user: toUserDto(user),
      accessToken: this.accessTokens.sign(user.uuid, session.uuid),
      refreshToken: this.refreshTokens.make(session.uuid, session.generation, session.salt),
      expiresIn: this.accessTokens.ttlSeconds,
      tokenType: 'Bearer',
    };
  }
}

/** True when the account has logged in on the device with its current password. */
function isKnown(device: KnownDevice | null, user: User): device is KnownDevice {
  return device?.userId === user.uuid && device.generation === user.passwordGeneration;
}
