// Every request is answered within a limit, whatever its handler waits for, and its answer is read at a decent rate.
import type { FastifyInstance } from 'fastify';
import type { MinRate } from '../request-in-flight.js';

const CHECK_MS = 1_000;

/**
 * One look a second at the oldest requests in flight, instead of Fastify's `handlerTimeout`: a timer and an
 * AbortController for each request were a sixth of what a small answer cost. So an answer may come a second late.
 */
export function addDeadlineHooks(fastify: FastifyInstance, limitMs: number, minRate: MinRate): void {
  const check = setInterval(() => {
    for (const request of fastify.inFlight) {
      if (request.elapsedMs < limitMs) break;
      if (!request.isAnswering && !request.isUpload) request.cancel('too slow');
      if (request.isAnswering && request.isReadTooSlowly(minRate)) request.cancel('too slow');
      if (request.isOrphan) fastify.inFlight.delete(request);
    }
  }, CHECK_MS).unref();
  fastify.addHook('onClose', (_instance, done) => {
    clearInterval(check);
    done();
  });
}
