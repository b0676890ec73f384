// Reads the access token before the body, so that rate limits count by user and no large body is read without a valid token.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { requestContext } from '../shared/logging/request-context.js';
import type { AccessClaims } from '../shared/security/access-tokens.js';
import { MAX_PUBLIC_BODY_BYTES } from '../common/decorators/endpoint.decorator.js';
import { bearerTokenOf, invalidToken, missingToken } from './bearer-token.js';
import type { JwtStrategy } from './jwt.strategy.js';
import type { Principal, Principals } from './principals.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** User of the token when the headers arrived; undefined when it was not looked up. */
    principal?: Principal | undefined;
  }
}

/**
 * Adds the hook. `claims` is undefined without a token, and null for an invalid token or an ended session: such a request
 * counts by address, so that the holder of an ended token cannot use up the limit of its user.
 */
export function addTokenHook(fastify: FastifyInstance, strategy: JwtStrategy, principals: Principals): void {
  fastify.decorateRequest('claims', undefined);
  fastify.decorateRequest('principal', undefined);

  /** Returns no promise when the session is cached, which is the common case. */
  const admit = (request: FastifyRequest, token: string, claims: AccessClaims | null): void | Promise<void> => {
    request.claims = claims;
    if (!claims) return;
    const settle = (principal: Principal | null): void => {
      if (principal) return void (request.principal = principal);
      principals.remember(token, false);
      request.claims = null;
    };
    const found = principals.peek(claims) ?? requestContext.run(request.running, () => principals.find(claims));
    if (!(found instanceof Promise)) return settle(found);
    // Uncounted routes, such as probes, do not wait for the database. The guard asks again and reports a failure.
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
    requestContext
      .run(request.running, () => strategy.verify(request))
      .then((claims) => {
        if (claims) principals.remember(token, claims);
        return admit(request, token, claims);
      })
      .then(() => done(), done);
  });
  // After the rate limits have counted the request. A caller without a token must not make us parse a megabyte of JSON.
  fastify.addHook('preParsing', (request, _reply, payload, done) => {
    if (!request.routeOptions.config.needsToken || request.claims || isBodyCheap(request)) return done(null, payload);
    done(request.claims === null ? invalidToken() : missingToken());
  });
}

/** True without a body, and for one that costs little to parse or is too large to be read: the request is refused after it. */
function isBodyCheap({ headers, routeOptions }: FastifyRequest): boolean {
  const bytes = Number(headers['content-length'] ?? 0);
  return (
    headers['transfer-encoding'] === undefined && !(bytes > MAX_PUBLIC_BODY_BYTES && bytes <= routeOptions.bodyLimit)
  );
}
