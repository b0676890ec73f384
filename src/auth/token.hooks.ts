// Reads the access token before the body is read: who is refused for it costs no body, and limits count by its user.
import type { FastifyInstance } from 'fastify';
import { bearerTokenOf } from './bearer-token.js';
import type { JwtStrategy } from './jwt.strategy.js';
import type { Principals } from './principals.js';

/** `claims` is null for a token that is none of ours or has expired, and stays undefined without a token. */
export function addTokenHook(fastify: FastifyInstance, strategy: JwtStrategy, principals: Principals): void {
  fastify.decorateRequest('claims', undefined);
  fastify.addHook('onRequest', (request, _reply, done) => {
    const token = bearerTokenOf(request);
    if (token === undefined) return done();
    const known = principals.findClaims(token);
    if (known !== undefined) {
      request.claims = known;
      return done();
    }
    strategy.verify(request).then((claims) => {
      if (claims) principals.remember(token, claims);
      request.claims = claims;
      done();
    }, done);
  });
}
