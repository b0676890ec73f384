// Who is behind an access token, remembered for a moment.
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Actor } from '../common/permissions.js';
import { Clock } from '../shared/libs/clock.js';
import { Events } from '../shared/services/events/events.js';
import type { AccessClaims } from '../shared/services/security/access-tokens.js';
import { toUserDto } from '../users/dto/user.dto.js';
import type { User } from '../users/user.entity.js';
import { SessionsRepository } from './sessions.repository.js';

/** The actor with its account as it was read at most a second ago. */
export interface Principal extends Actor {
  readonly account: User;
  /** The account as the finished JSON of GET /profile. */
  readonly profile: string;
}

/** How long another process's logout may go unnoticed here; our own is noticed at once. */
const TTL_MS = 1_000;
const MOST = 10_000;

/**
 * Two caches, so that a request with a known token costs two look-ups: tokens whose signature was checked, and sessions
 * that were alive a moment ago. What ends a session empties its place after the commit; a read that was under way then
 * is not remembered.
 */
@Injectable()
export class Principals {
  private readonly claims = new LRUCache<string, AccessClaims>({ max: MOST });
  private readonly principals = new LRUCache<string, Principal>({ max: MOST, ttl: TTL_MS, ttlResolution: 20 });
  private forgotten = 0;

  constructor(
    private readonly sessions: SessionsRepository,
    private readonly clock: Clock,
    events: Events,
  ) {
    events.afterCommit('session.ended', ({ sessionId }) =>
      this.forget((principal) => principal.sessionId === sessionId),
    );
    events.afterCommit('user.changed', ({ userId }) => this.forget((principal) => principal.id === userId));
    events.afterCommit('user.locked-out', ({ userId }) => this.forget((principal) => principal.id === userId));
  }

  /** The claims of a token that was verified before and has not expired since. */
  findClaims(token: string): AccessClaims | null {
    const claims = this.claims.get(token);
    return claims && claims.exp * 1000 > this.clock.now() ? claims : null;
  }

  remember(token: string, claims: AccessClaims): void {
    this.claims.set(token, claims);
  }

  /** Whoever was behind the session a moment ago. */
  find(claims: AccessClaims): Principal | null {
    return this.principals.get(claims.sid) ?? null;
  }

  /** From the database. Null when the session has ended, or its user is gone. */
  async load(claims: AccessClaims): Promise<Principal | null> {
    const before = this.forgotten;
    const account = await this.sessions.findUserOf(claims.sid);
    if (account?.uuid !== claims.sub) return null;
    const principal = {
      id: account.uuid,
      key: account.id,
      role: account.role,
      sessionId: claims.sid,
      account,
      profile: JSON.stringify(toUserDto(account)),
    };
    if (this.forgotten === before) this.principals.set(claims.sid, principal);
    return principal;
  }

  private forget(matches: (principal: Principal) => boolean): void {
    this.forgotten++;
    for (const [sid, principal] of this.principals.entries()) if (matches(principal)) this.principals.delete(sid);
  }
}
