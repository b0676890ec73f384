// Limits the time of every request, whatever its handler waits for, and the rate at which the client reads its response.
import type { FastifyInstance } from 'fastify';
import type { MinRate } from '../in-flight-request.js';

const CHECK_MS = 1_000;

/**
 * Checks the oldest requests in flight once a second instead of Fastify's `handlerTimeout`: a timer and an AbortController
 * for each request took a sixth of the time of a small response. So a timeout may come a second late.
 */
export function addDeadlineHooks(fastify: FastifyInstance, limitMs: number, minRate: MinRate): void {
  const check = setInterval(() => {
    for (const request of fastify.inFlight) {
      if (request.elapsedMs < limitMs) break;
      if (!request.isAnswering && !request.isUpload && !request.staysOpen) request.cancel('too slow');
      if (request.isAnswering && request.isReadTooSlowly(minRate)) request.cancel('too slow');
      if (request.isOrphan) fastify.inFlight.delete(request);
    }
  }, CHECK_MS).unref();
  fastify.addHook('onClose', (_instance, done) => {
    clearInterval(check);
    done();
  });
}
