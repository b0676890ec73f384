// Security headers by Helmet, worked out once: they are the same for every answer, and Helmet takes 80 µs for them.
import type { ServerResponse } from 'node:http';
import type { FastifyInstance } from 'fastify';
import helmet, { type HelmetOptions } from 'helmet';

/** An answer with data is never a page: nothing may run, frame or embed it (OWASP REST Security Cheat Sheet). */
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
/** Swagger UI is a page: Helmet's defaults, which let it load its own scripts, over plain http as well. */
const FOR_PAGES: HelmetOptions = { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } };

/** A browser may keep an answer for its user, and asks with its ETag each time whether it still holds (RFC 9111). */
const CACHING = { 'cache-control': 'private, no-cache', vary: 'Authorization' };

/** Of every answer but pages. */
export const DATA_HEADERS = { ...headersOf(FOR_DATA), ...CACHING };

/** `pages`: paths under which answers are pages. */
export function addSecurityHooks(fastify: FastifyInstance, pages: string): void {
  const page = headersOf(FOR_PAGES);
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.headers(request.url.startsWith(pages) ? page : DATA_HEADERS);
    done();
  });
}

/** What Helmet would set: asked with a response that only remembers. */
function headersOf(options: HelmetOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  const response = {
    setHeader: (name: string, value: string) => (headers[name.toLowerCase()] = value),
    removeHeader: () => undefined,
  };
  helmet(options)({} as never, response as unknown as ServerResponse, () => undefined);
  return headers;
}
