// Every request is counted before its body is read: what no route, no parser and no guard takes counts, too.
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { RequestLimits } from '../limits/request-limits.js';
import type { Limited } from '../decorators/limited.decorator.js';

/** After the hook that reads the access token, and before the first route is registered. */
export function addLimitHooks(fastify: FastifyInstance, limits: RequestLimits): void {
  const countUnknownPath = countWith(limits, {});
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    countUnknownPath.call(fastify, request, reply, done);
  });
  // A hook of the route's own: `request.routeOptions` builds an object each time it is asked.
  fastify.addHook('onRoute', (route) => {
    const limited = route.config?.limited ?? {};
    if (limited.limit === 'none' || (route.method === 'OPTIONS' && !route.config?.limited)) return; // preflights are free
    route.onRequest = [countWith(limits, limited), route.onRequest ?? []].flat();
  });
}

function countWith(
  limits: RequestLimits,
  { limit = 'standard', cost = 1, searchCost = cost }: Limited,
): onRequestHookHandler {
  if (limit === 'none') return (_request, _reply, done) => done();
  return (request, reply, done) => {
    try {
      const isSearch = searchCost !== cost && (request.query as { q?: unknown }).q !== undefined;
      const counted = limits.count(request, reply, limit, isSearch ? searchCost : cost);
      if (counted instanceof Promise) counted.then(() => done(), done);
      else done();
    } catch (error) {
      done(error as Error);
    }
  };
}
