// Every request is counted before its body is read: what no route, no parser and no guard takes counts, too.
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { RequestLimits } from '../limits/request-limits.js';
import { MAX_PAGE_ROWS } from '../../dto/page.dto.js';
import type { Limited } from '../../decorators/limited.decorator.js';

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
    route.onRequest = [countWith(limits, limited, route.config?.paged), route.onRequest ?? []].flat();
  });
}

/** As many rows of a list as one request may have; a page of more counts as more requests. */
const ROWS_OF_REQUEST = 25;

function countWith(
  limits: RequestLimits,
  { limit = 'standard', cost = 1, searchCost = cost, searchBy = [] }: Limited,
  paged = false,
): onRequestHookHandler {
  if (limit === 'none') return (_request, _reply, done) => done();
  return (request, reply, done) => {
    try {
      const query = request.query as Record<string, unknown>;
      const single = searchCost !== cost && searchBy.some((name) => query[name] !== undefined) ? searchCost : cost;
      const counted = limits.count(request, reply, limit, paged ? single * shareOf(query['limit']) : single);
      if (counted instanceof Promise) counted.then(() => done(), done);
      else done();
    } catch (error) {
      done(error as Error);
    }
  };
}

/** `rows`: as it was sent; what is no number that a list takes is refused later. */
function shareOf(rows: unknown): number {
  const count = Number(rows);
  return count > ROWS_OF_REQUEST && count <= MAX_PAGE_ROWS ? Math.ceil(count / ROWS_OF_REQUEST) : 1;
}
