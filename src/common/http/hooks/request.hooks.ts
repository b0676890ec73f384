// Fastify hooks for every request: an id, a request context, and one log line after the response.
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler } from 'fastify';
import type { Clock } from '../../../shared/libs/clock.js';
import type { Logger } from '../../../shared/logging/logger.js';
import { routeOf } from '../fastify-request.js';
import { type RequestLine, RequestLog } from '../../../shared/logging/request-log.js';
import { requestContext } from '../../../shared/logging/request-context.js';
import { trackRequest, type InFlightRequest } from '../in-flight-request.js';
import type { UncountedLines } from './uncounted-lines.js';

const ACCEPTABLE_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** Returns the caller's X-Request-Id if it is safe, else a new one. */
export function requestIdOf(request: Pick<IncomingMessage, 'headers'>): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && ACCEPTABLE_ID.test(given) ? given : randomUUID();
}

export function addRequestHooks(
  fastify: FastifyInstance,
  logger: Logger,
  clock: Clock,
  uncounted: UncountedLines,
): void {
  const log = new RequestLog(logger, clock);
  const writeLine = (request: FastifyRequest, reply: FastifyReply): void => {
    const level = request.url.startsWith('/health') || request.url === '/ping' ? 'debug' : 'info';
    if (log.writes(level) && uncounted.writes(request)) log.write(level, lineOf(request, reply));
  };
  fastify.decorateRequest('isCounted', false);
  fastify.decorateRequest('running');
  fastify.decorate('inFlight', new Set<InFlightRequest>());
  fastify.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id);
    const onDisconnect = (): void => writeLine(request, reply); // then nothing finishes, and no onResponse follows
    request.running = trackRequest(fastify, reply, onDisconnect);
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    writeLine(request, reply);
    done();
  });
}

/**
 * Adds the last `onRequest` hook of each route: what follows runs in the context of the request. The hooks before it need no
 * context, unless they wait; answers that they give cost nothing for it.
 */
export function addContextHook(fastify: FastifyInstance): void {
  fastify.addHook('onRoute', (route) => {
    route.onRequest = [route.onRequest ?? [], enterContext].flat();
  });
}

const enterContext: onRequestHookHandler = ({ running }, _reply, done) => requestContext.run(running, done);

function lineOf(request: FastifyRequest, reply: FastifyReply): RequestLine {
  return {
    requestId: request.id,
    method: request.method,
    route: routeOf(request),
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
    ip: request.ip,
    user: request.user?.id,
  };
}
