// Reads the access token before the body is read: who is refused for it costs no body, and limits count by its user.
import type { FastifyInstance } from 'fastify';
import type { Principals } from './principals.js';

const BEARER = /^Bearer ([\w.~+/=-]+)$/i;

/** `claims` is null for a token that is none of ours or has expired, and stays undefined without a token. */
export function addTokenHook(fastify: FastifyInstance, principals: Principals): void {
  fastify.decorateRequest('claims', undefined);
  fastify.addHook('onRequest', (request, _reply, done) => {
    const token = BEARER.exec(request.headers.authorization ?? '')?.[1];
    if (token !== undefined) request.claims = principals.readToken(token);
    done();
  });
}
