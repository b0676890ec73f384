// Counts every request before its body is read, including those that a route, parser or guard refuses later.
import type { FastifyInstance, onRequestHookHandler } from 'fastify';
import type { RequestLimits } from '../limits/request-limits.js';
import { MAX_PAGE_ROWS } from '../../dto/page.dto.js';
import { type Limited, SEARCH_COST, withDefaults } from '../../decorators/limited.decorator.js';

/** Call after the hook that reads the access token, and before the first route is registered. */
export function addLimitHooks(fastify: FastifyInstance, limits: RequestLimits): void {
  const countUnknownPath = countWith(limits, {});
  fastify.addHook('onRequest', (request, reply, done) => {
    if (!request.is404) return done();
    countUnknownPath.call(fastify, request, reply, done);
  });
  // A hook per route: `request.routeOptions` creates an object at each access.
  fastify.addHook('onRoute', (route) => {
    const limited = route.config?.limited ?? {};
    if (limited.limit === 'none' || (route.method === 'OPTIONS' && !route.config?.limited)) return; // preflights are free
    route.onRequest = [countWith(limits, limited, route.config?.paged), route.onRequest ?? []].flat();
  });
}

/** List rows that one request may return; a longer page counts as several requests. */
const ROWS_OF_REQUEST = 25;

function countWith(limits: RequestLimits, limited: Limited, paged = false): onRequestHookHandler {
  const { limit, cost, searchBy } = withDefaults(limited);
  if (limit === 'none') return (_request, _reply, done) => done();
  return (request, reply, done) => {
    try {
      const query = request.query as Record<string, unknown>;
      const single = searchBy.some((name) => query[name] !== undefined) ? cost * SEARCH_COST : cost;
      const counted = limits.count(request, reply, limit, paged ? single * shareOf(query['limit']) : single);
      if (counted instanceof Promise) counted.then(() => done(), done);
      else done();
    } catch (error) {
      done(error as Error);
    }
  };
}

/** `rows`: as the client sent it; an invalid number is refused later. */
function shareOf(rows: unknown): number {
  const count = Number(rows);
  return count > ROWS_OF_REQUEST && count <= MAX_PAGE_ROWS ? Math.ceil(count / ROWS_OF_REQUEST) : 1;
}
