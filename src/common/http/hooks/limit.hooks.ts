// Counts every request before its body is read, also those that are refused later, and charges for pages that turn out large.
import type { FastifyInstance, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify';
import { bodyBytesOf } from '../fastify-request.js';
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
    if (route.config?.paged) route.onSend = [chargeFor(limits), route.onSend ?? []].flat();
  });
}

/** List rows that one request may return; a longer page counts as several requests. */
const ROWS_OF_REQUEST = 25;
/**
 * Bytes of a JSON body that one request may have; a longer body counts as several requests. A text of 10,000 CJK characters
 * (30 KB) costs PostgreSQL 40 ms for its search index, as much as 25 short tasks.
 */
const BYTES_OF_REQUEST = 4_096;

/**
 * Bytes of a page that one request may return; a longer page takes more from its caller after it. Twenty texts of 10,000 CJK
 * characters are 650 KB, which cost as much as a hundred short pages.
 */
const BYTES_OF_PAGE = 32_768;

function chargeFor(limits: RequestLimits): onSendHookHandler {
  return (request, _reply, payload, done) => {
    const cost = typeof payload === 'string' ? Math.floor(Buffer.byteLength(payload) / BYTES_OF_PAGE) : 0;
    if (cost === 0) return done(null, payload);
    limits.charge(request, cost).then(() => done(null, payload), done);
  };
}

function countWith(limits: RequestLimits, limited: Limited, paged = false): onRequestHookHandler {
  const { limit, cost, searchBy } = withDefaults(limited);
  if (limit === 'none') return (_request, _reply, done) => done();
  return (request, reply, done) => {
    try {
      const query = request.query as Record<string, unknown>;
      const single = searchBy.some((name) => query[name] !== undefined) ? cost * SEARCH_COST : cost;
      const rows = paged ? single * shareOf(query['limit']) : single;
      const counted = limits.count(request, reply, limit, Math.max(rows, costOfBody(request)));
      if (counted instanceof Promise) counted.then(() => done(), done);
      else done();
    } catch (error) {
      done(error as Error);
    }
  };
}

/** 0 without a body, and for one that is streamed or too large to be read. */
function costOfBody(request: FastifyRequest): number {
  const { bodyLimit = 0, config } = request.routeOptions;
  if (request.is404 || config.streamsBody !== undefined) return 0;
  const bytes = bodyBytesOf(request);
  return bytes <= bodyLimit ? Math.ceil(bytes / BYTES_OF_REQUEST) : 0;
}

/** `rows`: as the client sent it; an invalid number is refused later. */
function shareOf(rows: unknown): number {
  const count = Number(rows);
  return count > ROWS_OF_REQUEST && count <= MAX_PAGE_ROWS ? Math.ceil(count / ROWS_OF_REQUEST) : 1;
}
