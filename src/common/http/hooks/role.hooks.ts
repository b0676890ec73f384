// Limits a background-only process to health probes.
import type { FastifyInstance } from 'fastify';
import { HttpErrors } from '../http.errors.js';

const PROBE = /^\/(?:health|ping)(?:[/?]|$)/;

export function addProbesOnlyHook(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (PROBE.test(request.url)) return done();
    done(HttpErrors.ROUTE_NOT_FOUND(request.method, request.url.split('?', 1)[0] ?? ''));
  });
}
