// Checks a bearer token that has not been seen before.
import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import passportJwt from 'passport-jwt';
import {
  ACCESS_TOKEN_AUDIENCE,
  ACCESS_TOKEN_ISSUER,
  type AccessClaims,
  AccessTokens,
  isAccessToken,
} from '../shared/services/security/access-tokens.js';
import { type Principal, Principals } from './principals.js';

const { ExtractJwt, Strategy } = passportJwt;
const fromHeader = ExtractJwt.fromAuthHeaderAsBearerToken();

@Injectable()
export class JwtStrategy extends PassportStrategy(Strategy) {
  constructor(
    tokens: AccessTokens,
    private readonly principals: Principals,
  ) {
    super({
      jwtFromRequest: fromHeader,
      // Not `secretOrKey`: passport-jwt takes only text there, and text costs jsonwebtoken 50 times more than a KeyObject.
      secretOrKeyProvider: (_request: unknown, _token: string, done: (error: null, key: never) => void) =>
        done(null, tokens.key as never),
      algorithms: ['HS256'],
      issuer: ACCESS_TOKEN_ISSUER,
      audience: ACCESS_TOKEN_AUDIENCE,
      passReqToCallback: true,
    });
  }

  /** Passport's word for "the signature is good, who is it?". False refuses the request. */
  async validate(request: Parameters<typeof fromHeader>[0], claims: Partial<AccessClaims>): Promise<Principal | false> {
    const token = fromHeader(request);
    if (token === null || !isAccessToken(token, claims)) return false;
    this.principals.remember(token, claims);
    return (await this.principals.find(claims)) ?? false;
  }
}
