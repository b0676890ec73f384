// Who is behind an access token, remembered until something of it changes.
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import { type Rendered, renderResource } from '../common/http/hooks/representation.hooks.js';
import type { Actor } from '../common/access/permissions.js';
import { AppConfig } from '../shared/config/app-config.js';
import { Clock } from '../shared/libs/clock.js';
import { CacheService } from '../shared/cache/cache.service.js';
import type { AccessClaims } from '../shared/security/access-tokens.js';
import { toUserDto } from '../users/dto/user.dto.js';
import { userTag } from '../users/users.repository.js';
import { SessionsRepository, sessionTag } from './sessions.repository.js';

/** The actor, its profile as GET /profile answers it, and when its session ends at the latest (milliseconds since 1970). */
export interface Principal extends Actor {
  readonly profile: Rendered;
  readonly endsAt: number;
}

const MOST_TOKENS = 10_000;

/** A request with a known token costs two look-ups: of its claims, whose signature was checked, and of its session. */
@Injectable()
export class Principals {
  /** False for a token whose session has ended, which is for good. */
  private readonly claims = new LRUCache<string, AccessClaims | false>({ max: MOST_TOKENS });

  constructor(
    private readonly sessions: SessionsRepository,
    private readonly cache: CacheService,
    private readonly clock: Clock,
    private readonly config: AppConfig,
  ) {}

  /** The claims of a token that was verified before; null: it or its session has ended since, undefined: it was not. */
  findClaims(token: string): AccessClaims | null | undefined {
    const claims = this.claims.get(token);
    if (claims === undefined) return undefined;
    return claims && claims.exp * 1000 > this.clock.now() ? claims : null;
  }

  remember(token: string, claims: AccessClaims | false): void {
    this.claims.set(token, claims);
  }

  /** Null when the session has ended, or its user is gone. Not a promise when it is remembered here. */
  find(claims: AccessClaims): Principal | null | Promise<Principal | null> {
    const tags = [sessionTag(claims.sid), userTag(claims.sub)];
    const options = { ttl: this.config.cache.ttl, tags, shared: false };
    const found = this.cache.wrap(`principal:${claims.sid}`, options, () => this.load(claims));
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
      profile: renderResource(toUserDto(user)),
      endsAt: expiresAt.getTime(),
    };
  }
}
