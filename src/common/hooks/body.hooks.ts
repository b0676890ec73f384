// Bodies: JSON, strictly parsed and complete within a deadline; forms with a file only where a route takes them.
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest, preParsingHookHandler } from 'fastify';
import { parseStrictJson } from '../../shared/libs/strict-json.js';
import { HttpErrors } from '../http.errors.js';

const MULTIPART = /^\s*multipart\/form-data\s*(;|$)/i;

/** `timeoutMs`: from the headers to the last byte of a JSON body, between two bytes of a form. Fastify itself waits for ever. */
export async function addBodyHooks(fastify: FastifyInstance, timeoutMs: number): Promise<void> {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    try {
      done(null, parseStrictJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  await fastify.register(multipart); // reads nothing itself: the route's handler does, behind the guard
  fastify.addHook('preParsing', refuseOtherForms);
  fastify.addHook('preParsing', cutSlowBody(timeoutMs)); // not by onRoute: what no route answers is read too
}

/** A route with `multipartOptions` reads its form itself, piece by piece. */
export function takesForm(request: FastifyRequest): boolean {
  return request.routeOptions.config.multipartOptions !== undefined;
}

const refuseOtherForms: preParsingHookHandler = (request, _reply, payload, done) => {
  const type = request.headers['content-type'];
  const isBodiless = request.method === 'GET' || request.method === 'HEAD';
  if (type === undefined || isBodiless || request.is404 || MULTIPART.test(type) === takesForm(request))
    return done(null, payload);
  done(HttpErrors.UNSUPPORTED_MEDIA_TYPE());
};

function cutSlowBody(timeoutMs: number): preParsingHookHandler {
  return (request, reply, payload, done) => {
    if (!request.raw.complete && request.method !== 'GET' && request.method !== 'HEAD') {
      const cut = (): void => {
        if (reply.sent || payload.listenerCount('error') === 0) return void request.raw.destroy(); // answered without it, as 415 is
        reply.header('connection', 'close');
        payload.emit('error', HttpErrors.REQUEST_TIMEOUT()); // whoever reads the body hears of it, and the answer still gets out
      };
      const timer = takesForm(request) ? onceIdle(request, timeoutMs, cut) : setTimeout(cut, timeoutMs);
      payload.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
    }
    done(null, payload);
  };
}

/** A form may take as long as it comes nearer to its end. Bytes that wait for us are no fault of the client. */
function onceIdle({ raw }: FastifyRequest, timeoutMs: number, cut: () => void): NodeJS.Timeout {
  let before = raw.socket.bytesRead;
  const timer = setInterval(() => {
    const { bytesRead } = raw.socket;
    if (bytesRead > before || raw.readableLength > 0) return void (before = bytesRead);
    clearInterval(timer);
    cut();
  }, timeoutMs);
  return timer;
}
