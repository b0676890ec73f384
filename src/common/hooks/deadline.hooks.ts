// Every request is answered within a limit, whatever its handler waits for.
import type { FastifyInstance, FastifyReply } from 'fastify';
import { unavailable } from '../filters/to-problem.js';

const CHECK_MS = 1_000;

/**
 * One look a second at the oldest requests in flight, instead of Fastify's `handlerTimeout`: a timer and an
 * AbortController for each request were a sixth of what a small answer cost. So an answer may come a second late.
 */
export function addDeadlineHooks(fastify: FastifyInstance, limitMs: number): void {
  const inFlight = new Set<FastifyReply>(); // oldest first
  fastify.addHook('onRequest', (_request, reply, done) => {
    inFlight.add(reply);
    done();
  });
  fastify.addHook('onResponse', (_request, reply, done) => {
    inFlight.delete(reply);
    done();
  });
  const check = setInterval(() => {
    for (const reply of inFlight) {
      if (reply.elapsedTime < limitMs) break;
      inFlight.delete(reply);
      if (!reply.sent) reply.send(unavailable());
    }
  }, CHECK_MS).unref();
  fastify.addHook('onClose', (_instance, done) => {
    clearInterval(check);
    done();
  });
}
