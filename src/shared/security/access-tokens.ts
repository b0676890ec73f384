// Access tokens: JWT (RFC 7519) with HS256, short-lived, bound to a session.
import { createSecretKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { SecuritySettings } from './security.settings.js';
import { Clock } from '../libs/clock.js';

/** `sub` user uuid, `sid` session uuid, times in seconds since 1970. */
export interface AccessClaims {
  sub: string;
  sid: string;
  iat: number;
  exp: number;
}

export const ACCESS_TOKEN_ISSUER = 'holdfast';
export const ACCESS_TOKEN_AUDIENCE = 'holdfast-api';
/** RFC 9068, 2.1. */
const ACCESS_TOKEN_TYPE = 'at+jwt';
/** How far the clock of the signing machine may be ahead of ours. */
const CLOCK_TOLERANCE_MS = 60_000;

/**
 * Refuses tokens of another type or without an expiry, even if they are signed with the same secret. Also refuses tokens
 * with `crit`: it names extensions that the reader must understand (RFC 7515, 4.1.11), and we support none.
 */
function isAccessToken(header: jwt.JwtHeader | undefined, claims: unknown): claims is AccessClaims {
  const { sub, sid, iat, exp } = claims as Partial<AccessClaims>;
  const hasIds = typeof sub === 'string' && typeof sid === 'string';
  const isOurs = header?.typ === ACCESS_TOKEN_TYPE && header.crit === undefined;
  return isOurs && hasIds && Number.isInteger(iat) && Number.isInteger(exp);
}

@Injectable()
export class AccessTokens {
  /** A KeyObject: jsonwebtoken tries to parse a text secret as a public key first, 50 times slower. */
  readonly key: KeyObject;
  readonly ttlSeconds: number;

  constructor(
    settings: SecuritySettings,
    private readonly clock: Clock,
  ) {
    this.key = createSecretKey(Buffer.from(settings.jwtSecret));
    this.ttlSeconds = settings.accessTokenTtlSeconds;
  }

  sign(userId: string, sessionId: string): string {
    const iat = Math.floor(this.clock.now() / 1000);
    return jwt.sign({ sub: userId, sid: sessionId, iat, exp: iat + this.ttlSeconds }, this.key, {
      algorithm: 'HS256',
      issuer: ACCESS_TOKEN_ISSUER,
      audience: ACCESS_TOKEN_AUDIENCE,
      header: { alg: 'HS256', typ: ACCESS_TOKEN_TYPE },
    });
  }

  /** Checks the rest of a token with correct signature, issuer and audience: our type, issued in the past, not expired. */
  isValid(token: string, claims: unknown): claims is AccessClaims {
    const header = jwt.decode(token, { complete: true })?.header;
    if (!isAccessToken(header, claims)) return false;
    const now = this.clock.now();
    return claims.iat * 1000 <= now + CLOCK_TOLERANCE_MS && claims.exp * 1000 > now;
  }
}
