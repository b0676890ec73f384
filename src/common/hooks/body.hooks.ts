// Bodies: JSON only, strictly parsed, complete within a deadline.
import type { FastifyInstance, preParsingHookHandler } from 'fastify';
import { parseStrictJson } from '../../shared/libs/strict-json.js';
import { HttpErrors } from '../http.errors.js';

/** `timeoutMs`: from the headers to the last byte of the body. Fastify itself waits for ever. */
export function addBodyHooks(fastify: FastifyInstance, timeoutMs: number): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseStrictJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  fastify.addHook('preParsing', cutSlowBody(timeoutMs)); // not by onRoute: what no route answers is read too
}

function cutSlowBody(timeoutMs: number): preParsingHookHandler {
  return (request, reply, payload, done) => {
    if (!request.raw.complete && request.method !== 'GET' && request.method !== 'HEAD') {
      const timer = setTimeout(() => {
        if (payload.listenerCount('error') === 0) return void request.raw.destroy(); // answered without it, as 415 is
        reply.header('connection', 'close');
        payload.emit('error', HttpErrors.REQUEST_TIMEOUT()); // whoever reads the body hears of it, and the answer still gets out
      }, timeoutMs);
      payload.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
    }
    done(null, payload);
  };
}
