// Caches the user and session of an access token until one of them changes.
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import type { Rendered } from '../common/http/hooks/representation.hooks.js';
import type { Actor } from '../common/access/permissions.js';
import { CacheSettings } from '../shared/cache/cache.settings.js';
import { Clock } from '../shared/libs/clock.js';
import { CacheService } from '../shared/cache/cache.service.js';
import type { AccessClaims } from '../shared/security/access-tokens.js';
import { renderUser } from '../users/dto/user.dto.js';
import { userTag } from '../users/users.repository.js';
import { SessionsRepository, sessionTag } from './sessions.repository.js';

/** The actor, its profile as GET /profile answers it, and the latest end of its session (milliseconds since 1970). */
export interface Principal extends Actor {
  readonly profile: Rendered;
  readonly endsAt: number;
}

const MAX_TOKENS = 10_000;

const keyOf = ({ sid }: AccessClaims): string => `principal:${sid}`;

/** A request with a known token costs two look-ups: its verified claims, and its session. */
@Injectable()
export class Principals {
  /** False for a token whose session has ended, which is final. */
  private readonly claims = new LRUCache<string, AccessClaims | false>({ max: MAX_TOKENS });

  constructor(
    private readonly sessions: SessionsRepository,
    private readonly cache: CacheService,
    private readonly clock: Clock,
    private readonly settings: CacheSettings,
  ) {}

  /** Returns the claims of a verified token; null when it or its session has ended; undefined when it was not verified yet. */
  findClaims(token: string): AccessClaims | null | undefined {
    const claims = this.claims.get(token);
    if (claims === undefined) return undefined;
    return claims && claims.exp * 1000 > this.clock.now() ? claims : null;
  }

  remember(token: string, claims: AccessClaims | false): void {
    this.claims.set(token, claims);
  }

  /** Returns the principal if this process holds it in memory. */
  peek(claims: AccessClaims): Principal | undefined {
    const found = this.cache.peek<Principal>(keyOf(claims));
    return found && (this.living(claims, found) ?? undefined);
  }

  /** Returns null when the session has ended or its user is deleted. Returns no promise on a cache hit. */
  find(claims: AccessClaims): Principal | null | Promise<Principal | null> {
    const tags = [sessionTag(claims.sid), userTag(claims.sub)];
    const options = { ttl: this.settings.ttl, tags, shared: false };
    const found = this.cache.wrap(keyOf(claims), options, () => this.load(claims));
    return found instanceof Promise
      ? found.then((principal) => this.living(claims, principal))
      : this.living(claims, found);
  }

  private living(claims: AccessClaims, principal: Principal | null): Principal | null {
    return principal?.id === claims.sub && principal.endsAt > this.clock.now() ? principal : null;
  }

  private async load({ sid }: AccessClaims): Promise<Principal | null> {
    const session = await this.sessions.findUserOf(sid);
    if (!session) return null;
    const { user, expiresAt } = session;
    return {
      id: user.uuid,
      key: user.id,
      role: user.role,
      sessionId: sid,
      profile: renderUser(user),
      endsAt: expiresAt.getTime(),
    };
  }
}
