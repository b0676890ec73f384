// Our own members of Fastify's request and route configuration, and the name of a route in logs.
import type { Type } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { AccessClaims } from '../../shared/security/access-tokens.js';
import type { MemoryAnswer } from '../decorators/answer-from-memory.decorator.js';
import type { Limited } from '../decorators/limited.decorator.js';
import type { Actor } from '../access/permissions.js';
import type { InFlightRequest } from './in-flight-request.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Claims of the access token, set before the body is read. Null: invalid or expired; undefined: no token. */
    claims?: AccessClaims | null | undefined;
    /** Set by the access guard; absent on public routes. */
    user?: Actor;
    /** A rate limit has counted this request, or the limits are switched off. */
    isCounted: boolean;
    /** The same request for code that may end it early; its context begins when the limits have admitted it. */
    running: InFlightRequest;
  }

  interface FastifyContextConfig {
    /** The response is one resource with a version: it gets an ETag, and If-None-Match is answered with 304. */
    versioned?: boolean;
    /** The response is a page: it gets a Link header to the next one (RFC 8288). */
    paged?: boolean;
    /** Media type of bodies that the route reads as a stream. Without it a body is JSON, parsed before the handler. */
    streamsBody?: string;
    /** Options of @fastify/cors for this route alone. */
    cors?: { preflightContinue: boolean; strictPreflight: boolean };
    /** Without a valid access token no large body is read. The guard checks the token of every route. */
    needsToken?: boolean;
    /** The rate limit of the route; default `standard`. */
    limited?: Limited;
    /**
     * The answer may wait, or have no end: the time limit of handlers does not apply, and a stream holds few bytes. The module of the
     * route limits the number of such requests, and ends them when the server stops.
     */
    staysOpen?: boolean;
    /** Only when it is less than BODY_LIMIT. */
    maxBodyBytes?: number;
    /** Bytes of the largest answer beyond those of the body; see hooks/unread-answers.ts. */
    maxAnswerBytes?: number;
    /** See hooks/memory-answers.hooks.ts. */
    memoryAnswer?: { controller: Type; answer: MemoryAnswer<unknown> };
  }
}

/** Returns the length of the body by its headers; a body of unknown length counts as the longest one that the route accepts. */
export function bodyBytesOf({ headers, routeOptions: { bodyLimit = 0 } }: FastifyRequest): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : bodyLimit;
}

/** Returns the route's pattern for log lines: a path may contain a signed link or other secrets. */
export function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? '(none)';
}
