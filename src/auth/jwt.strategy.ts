// Verifies new access tokens with passport-jwt; callers cache the result.
import { Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import passport from 'passport';
import passportJwt from 'passport-jwt';
import {
  ACCESS_TOKEN_AUDIENCE,
  ACCESS_TOKEN_ISSUER,
  type AccessClaims,
  AccessTokens,
} from '../shared/security/access-tokens.js';
import { bearerTokenOf } from './bearer-token.js';

/** The handler that passport creates for Express. It works with an undefined response. */
type Handler = (request: FastifyRequest, response: undefined, next: (error?: unknown) => void) => void;

@Injectable()
export class JwtStrategy extends PassportStrategy(passportJwt.Strategy) {
  constructor(private readonly tokens: AccessTokens) {
    super({
      jwtFromRequest: (request: Pick<FastifyRequest, 'headers'>) => bearerTokenOf(request) ?? null,
      // Not `secretOrKey`: passport-jwt accepts only text there, which costs jsonwebtoken 50 times more than a KeyObject.
      secretOrKeyProvider: (_request: unknown, _token: string, done: (error: null, key: never) => void) =>
        done(null, tokens.key as never),
      algorithms: ['HS256'],
      issuer: ACCESS_TOKEN_ISSUER,
      audience: ACCESS_TOKEN_AUDIENCE,
      ignoreExpiration: true, // `validate` compares it with the application's clock
      passReqToCallback: true,
    });
  }

  /** Called by passport when signature, issuer and audience are valid. Returns false to reject the token. */
  validate(request: FastifyRequest, claims: unknown): AccessClaims | false {
    const token = bearerTokenOf(request);
    return token !== undefined && this.tokens.isValid(token, claims) ? claims : false;
  }

  /** Resolves to null when the token is not a valid access token of this server, or has expired. */
  verify(request: FastifyRequest): Promise<AccessClaims | null> {
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null, claims?: AccessClaims | false): void =>
        error ? reject(error) : resolve(claims || null);
      // Passport stores the outcome of a request on the strategy, so each request gets a copy. Passed as instance, not by name:
      // names are global to the process, and a second application in it would verify the tokens of the first.
      const strategy = Object.create(this) as passport.Strategy;
      const handler = passport.authenticate(strategy, { session: false }, settle) as Handler;
      handler(request, undefined, reject);
    });
  }
}
