// Helmet's security headers, computed once: they are the same for every response, and Helmet takes 80 µs to compute them.
import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import helmet, { type HelmetOptions } from 'helmet';

/** A data response is never a page: no script may run in it, no page may frame it (OWASP REST Security Cheat Sheet). */
const FOR_DATA: HelmetOptions = {
  contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
  frameguard: { action: 'deny' },
  crossOriginOpenerPolicy: false,
  crossOriginResourcePolicy: false,
  dnsPrefetchControl: false,
  ieNoOpen: false,
  originAgentCluster: false,
  permittedCrossDomainPolicies: false,
  xssFilter: false,
};
/** Swagger UI is a page: Helmet's defaults, which allow its own scripts, also over plain http. */
const FOR_PAGES: HelmetOptions = { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } };

/** A browser may store a response for its user, but must revalidate it with its ETag each time (RFC 9111). */
const CACHING = { 'cache-control': 'private, no-cache', vary: 'Authorization' };

/** The headers of every response except pages. */
export const DATA_HEADERS = { ...headersOf(FOR_DATA), ...CACHING };

/** `pages`: the path prefix of responses that are pages. */
export function addSecurityHooks(fastify: FastifyInstance, pages: string): void {
  const page = headersOf(FOR_PAGES);
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(request.url.startsWith(pages) ? page : DATA_HEADERS);
    done();
  });
}

/** Returns the headers that Helmet sets: runs it with a response that only records them. */
function headersOf(options: HelmetOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value),
    removeHeader: () => undefined,
  };
  helmet(options)({} as never, response as unknown as ServerResponse, () => undefined);
  return headers;
}
