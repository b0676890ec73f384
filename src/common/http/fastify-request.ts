// What a request of ours carries beyond Fastify's own members, and how its route is named.
import type { FastifyRequest } from 'fastify';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import type { Limited } from '../decorators/limited.decorator.js';
import type { Actor } from '../access/permissions.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Of the access token, before the body is read. Null: it is none of ours or has expired; undefined: there is none. */
    claims?: AccessClaims | null | undefined;
    /** Set by the access guard; absent on public routes. */
    user?: Actor;
  }

  interface FastifyContextConfig {
    /** The answer is one resource with a version: it gets an ETag, and answers If-None-Match with 304. */
    versioned?: boolean;
    /** The answer is a page: it gets a Link header to the next one (RFC 8288). */
    paged?: boolean;
    /** Media type of the bodies that the route reads itself, piece by piece. Without it a body is JSON, parsed before. */
    streamsBody?: string;
    /** Of @fastify/cors, for this route alone. */
    cors?: { preflightContinue: boolean; strictPreflight: boolean };
    /** How the route is limited; without it as `standard`. */
    limited?: Limited;
    /** Where it is less than BODY_LIMIT. */
    maxBodyBytes?: number;
  }
}

/** How log lines name a route: by its pattern, for a path may hold a signed link or anything else. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? '(none)';
}
