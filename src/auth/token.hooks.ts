// Reads the access token before the body is read: who is refused for it costs no body, and limits count by its user.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AccessClaims } from '../shared/security/access-tokens.js';
import { bearerTokenOf } from './bearer-token.js';
import type { JwtStrategy } from './jwt.strategy.js';
import type { Principal, Principals } from './principals.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whose token it was when the headers came; absent where nobody was asked. */
    principal?: Principal | undefined;
  }
}

/**
 * `claims` is null for a token that is none of ours, or that has ended by itself or with its session: a request with it
 * counts by address, since whoever holds it must not use up what its user has. Undefined without a token.
 */
export function addTokenHook(fastify: FastifyInstance, strategy: JwtStrategy, principals: Principals): void {
  fastify.decorateRequest('claims', undefined);
  fastify.decorateRequest('principal', undefined);

  /** Not a promise for a session that is remembered, as it mostly is. */
  const admit = (request: FastifyRequest, token: string, claims: AccessClaims | null): void | Promise<void> => {
    request.claims = claims;
    if (!claims) return;
    const settle = (principal: Principal | null): void => {
      if (principal) return void (request.principal = principal);
      principals.remember(token, false);
      request.claims = null;
    };
    const found = principals.find(claims);
    if (!(found instanceof Promise)) return settle(found);
    // What is not counted, as probes are, waits for no database. A failure of it is answered by the guard, who asks again.
    const isCounted = request.routeOptions.config.limited?.limit !== 'none';
    const settled = found.then(settle, () => undefined);
    return isCounted ? settled : undefined;
  };

  fastify.addHook('onRequest', (request, _reply, done) => {
    const token = bearerTokenOf(request);
    if (token === undefined) return done();
    const known = principals.findClaims(token);
    if (known !== undefined) {
      const admitted = admit(request, token, known);
      return admitted ? void admitted.then(() => done()) : done();
    }
    strategy
      .verify(request)
      .then((claims) => {
        if (claims) principals.remember(token, claims);
        return admit(request, token, claims);
      })
      .then(() => done(), done);
  });
}
