// Limits the uploads of one user that arrive at the same time: each may take hours, and holds a connection, a file and a reservation.
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { HttpErrors } from '../http.errors.js';
import { streamsBody } from './body.hooks.js';

/** Call after the hook that reads the access token. `perUser`: uploads of one user in this process. */
export function addUploadLimit(fastify: FastifyInstance, perUser: number): void {
  const running = new Map<string, number>();
  fastify.addHook('preParsing', (request, reply, payload, done) => {
    const user = userOf(request);
    if (user === undefined || !streamsBody(request)) return done(null, payload);
    const count = running.get(user) ?? 0;
    if (count >= perUser) {
      reply.header('connection', 'close'); // the rest of the body is not read
      return done(HttpErrors.TOO_MANY_UPLOADS(perUser).withHeader('Retry-After', '1'));
    }
    running.set(user, count + 1);
    reply.raw.once('close', () => {
      const left = (running.get(user) ?? 1) - 1;
      if (left > 0) running.set(user, left);
      else running.delete(user);
    });
    done(null, payload);
  });
}

/** Undefined without a valid token: such a request is refused anyway. */
function userOf({ claims }: FastifyRequest): string | undefined {
  return claims?.sub;
}
