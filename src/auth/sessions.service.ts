// Opens, lists and ends the sessions of users, and rotates their refresh tokens.
import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Actor } from '../common/access/permissions.js';
import type { Page } from '../common/repositories/page.js';
import { Transaction } from '../shared/database/transaction.js';
import { Events } from '../shared/events/events.js';
import { Clock } from '../shared/libs/clock.js';
import { AccessTokens } from '../shared/security/access-tokens.js';
import { RefreshTokens } from '../shared/security/refresh-tokens.js';
import { toUserDto } from '../users/dto/user.dto.js';
import type { User } from '../users/user.entity.js';
import { UserLockedOut } from '../users/users.events.js';
import { AuthErrors } from './auth.errors.js';
import type { ListSessionsQuery, TokensDto } from './dto/auth.dto.js';
import type { Session } from './session.entity.js';
import { SessionsRepository } from './sessions.repository.js';
import { SessionSettings } from './sessions.settings.js';

/** Client that opens a session. */
export interface Client {
  ip: string | null;
  userAgent: string;
}

/** State of a refresh token in its session. */
type TokenState = 'current' | 'previous' | 'reused' | 'invalid';

@Injectable()
export class SessionsService {
  constructor(
    private readonly settings: SessionSettings,
    private readonly clock: Clock,
    private readonly transaction: Transaction,
    events: Events,
    private readonly accessTokens: AccessTokens,
    private readonly refreshTokens: RefreshTokens,
    private readonly sessions: SessionsRepository,
  ) {
    events.within(UserLockedOut, ({ userId }) => sessions.endAll(userId, 'locked-out'));
  }

  /** Opens a session, in a transaction that has locked the user's row. Returns its tokens. */
  async open(user: User, client: Client): Promise<TokensDto> {
    const now = this.clock.now();
    const session = await this.sessions.create({
      userId: user.id,
      salt: randomBytes(32).toString('base64url'),
      rotatedAt: new Date(now),
      expiresAt: new Date(now + this.settings.ttl),
      ip: client.ip,
      userAgent: client.userAgent.slice(0, 200),
    });
    await this.sessions.endBeyond(user.id, this.settings.quota);
    return this.tokens(user, session);
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
  list(actor: Actor, query: ListSessionsQuery): Promise<Page<Session>> {
    const now = this.clock.now();
    return this.sessions.listOf(actor, query, new Date(now), new Date(now - this.settings.idleTtl));
  }

  /** Ends a session of the caller. Throws SESSION_NOT_FOUND. */
  revoke(actor: Actor, sessionId: string): Promise<void> {
    return this.sessions.end(sessionId, actor.key, 'revoked');
  }

  /** Ends the sessions of a user whose password has changed, except the current one. Runs in the transaction of the change. */
  endOthers(actor: Actor): Promise<void> {
    return this.sessions.endAll(actor.id, 'locked-out', actor.sessionId);
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
