// Bodies: JSON, strictly parsed and complete within a deadline; files, which a route reads itself, only where one does.
import type { IncomingHttpHeaders } from 'node:http';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest, preParsingHookHandler } from 'fastify';
import { parseStrictJson } from '../../../shared/libs/strict-json.js';
import { HttpErrors } from '../http.errors.js';

/** A form (RFC 7578), and the part of an upload that begins at an offset (tus 1.0). */
export const FORM = 'multipart/form-data';
export const UPLOAD_PART = 'application/offset+octet-stream';
/** Only routes with `streamsBody` take these. */
const STREAMED = [FORM, UPLOAD_PART];

/** How slow a body may be; Fastify itself waits for ever. */
interface Pace {
  /** From the headers to the last byte of a JSON body; the time over which the rate of a streamed one is measured. */
  timeoutMs: number;
  /** Of a streamed body, in each `timeoutMs`. */
  minBytes: number;
}

export async function addBodyHooks(fastify: FastifyInstance, pace: Pace): Promise<void> {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined); // in chunks, of which none came
    try {
      done(null, parseStrictJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  await fastify.register(multipart); // reads nothing itself: the route's handler does, behind the guard
  fastify.addContentTypeParser(UPLOAD_PART, (_request, body, done) => done(null, body)); // nor does this
  fastify.addHook('onRoute', (route) => {
    const { maxBodyBytes } = route.config ?? {};
    if (maxBodyBytes) route.bodyLimit = Math.min(maxBodyBytes, fastify.initialConfig.bodyLimit ?? maxBodyBytes);
  });
  fastify.addHook('preParsing', refuseUnknownPath);
  fastify.addHook('preParsing', refuseUnreadable);
  fastify.addHook('preParsing', cutBadBody(pace)); // not by onRoute: what no route answers is read too
}

/** Its route reads the body itself, piece by piece. */
export function streamsBody(request: FastifyRequest): boolean {
  const { streamsBody: mediaType } = request.routeOptions.config;
  return mediaType !== undefined && mediaTypeOf(request) === mediaType;
}

/** No route reads its body: it is not worth to be parsed. */
const refuseUnknownPath: preParsingHookHandler = (request, _reply, payload, done) => {
  if (!request.is404) return done(null, payload);
  done(HttpErrors.ROUTE_NOT_FOUND(request.method, request.url.split('?', 1)[0] ?? ''));
};

const refuseUnreadable: preParsingHookHandler = (request, _reply, payload, done) => {
  const { headers, method } = request;
  const type = mediaTypeOf(request);
  const expected = request.routeOptions.config.streamsBody;
  if (isEmpty(headers)) {
    if (type !== expected) delete headers['content-type']; // of nothing, there is no wrong type
    return done(null, payload);
  }
  if (method === 'GET' || method === 'HEAD') return done(null, payload);
  if (!IDENTITY.test(headers['content-encoding'] ?? ''))
    return done(HttpErrors.CONTENT_ENCODING_UNSUPPORTED().withHeader('Accept-Encoding', 'identity'));
  if (type === undefined || (STREAMED.includes(type) ? type : undefined) === expected) return done(null, payload);
  done(HttpErrors.UNSUPPORTED_MEDIA_TYPE(expected));
};

const IDENTITY = /^(?:identity)?$/i;

function isEmpty(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

function mediaTypeOf({ headers }: FastifyRequest): string | undefined {
  return headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
}

function cutBadBody(pace: Pace): preParsingHookHandler {
  return (request, reply, payload, done) => {
    const { raw, bodyChunks } = request;
    if (bodyChunks?.refusal) {
      reply.header('connection', 'close');
      return done(bodyChunks.refusal);
    }
    if (request.method === 'GET' || request.method === 'HEAD') {
      if (bodyChunks) bodyChunks.onRefused = () => raw.destroy(); // no answer is worth that they go on meanwhile
      return done(null, payload);
    }
    if (raw.complete) return done(null, payload);
    const cut = (error: Error): void => {
      if (reply.sent || payload.listenerCount('error') === 0) return void raw.destroy(); // nobody reads it
      reply.header('connection', 'close');
      payload.emit('error', error); // whoever reads the body hears of it, and the answer still gets out
    };
    const cutSlow = (): void => cut(HttpErrors.REQUEST_TIMEOUT());
    const timer = streamsBody(request) ? onceSlow(request, pace, cutSlow) : setTimeout(cutSlow, pace.timeoutMs);
    payload.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
    if (bodyChunks)
      bodyChunks.onRefused = (error) => {
        clearTimeout(timer); // the end of the body does not reach us any more
        if (payload.listenerCount('error') > 0) cut(error);
        else if (!reply.sent) void reply.send(error); // its reader still waits for something else
      };
    done(null, payload);
  };
}

/** Files may take as long as they come nearer to their end at a decent rate. Bytes that wait for us are no fault of the client. */
function onceSlow(request: FastifyRequest, { timeoutMs, minBytes }: Pace, cut: () => void): NodeJS.Timeout {
  const { raw, bodyChunks } = request;
  const arrived = (): number => bodyChunks?.bytes ?? raw.socket.bytesRead;
  let before = arrived();
  const timer = setInterval(() => {
    const bytes = arrived();
    if (bytes - before >= minBytes || raw.complete || raw.readableLength > 0) return void (before = bytes);
    clearInterval(timer);
    cut();
  }, timeoutMs);
  return timer;
}
