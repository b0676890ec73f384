// Request bodies: JSON is parsed strictly and must arrive within a deadline; routes that accept files read them as a stream.
import type { IncomingHttpHeaders } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';
import multipart from '@fastify/multipart';
import type { FastifyInstance, FastifyRequest, preParsingHookHandler } from 'fastify';
import { parseStrictJson } from '../../../shared/libs/strict-json.js';
import { HttpErrors } from '../http.errors.js';

/** A form (RFC 7578), and an upload part that begins at an offset (tus 1.0). */
export const FORM = 'multipart/form-data';
export const UPLOAD_PART = 'application/offset+octet-stream';
/** Only routes with `streamsBody` accept these. */
const STREAMED = [FORM, UPLOAD_PART];

/** A body of this size takes about a millisecond to parse. */
const LARGE_BYTES = 65_536;

/** The slowest accepted body; Fastify itself waits without a limit. */
interface Pace {
  /** Maximum time from the headers to the last byte of a JSON body; for a streamed body, the interval of the rate check. */
  timeoutMs: number;
  /** Minimum bytes of a streamed body in each `timeoutMs`. */
  minBytes: number;
}

export async function addBodyHooks(fastify: FastifyInstance, pace: Pace): Promise<void> {
  fastify.removeAllContentTypeParsers();
  const inOwnTurn = createTurns();
  fastify.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) => {
    if (body.length > LARGE_BYTES) return inOwnTurn(() => parseStrictJson(body as Buffer));
    try {
      done(null, parseStrictJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  await fastify.register(multipart); // reads nothing itself: the route's handler reads, after the guard
  fastify.addContentTypeParser(UPLOAD_PART, (_request, body, done) => done(null, body)); // reads nothing either
  fastify.addHook('onRoute', (route) => {
    const { maxBodyBytes } = route.config ?? {};
    if (maxBodyBytes) route.bodyLimit = Math.min(maxBodyBytes, fastify.initialConfig.bodyLimit ?? maxBodyBytes);
  });
  fastify.addHook('preParsing', refuseUnknownPath);
  fastify.addHook('preParsing', refuseUnreadable);
  fastify.addHook('preParsing', cutBadBody(pace)); // not in onRoute: bodies of unknown paths are read too
}

/**
 * Returns a function that runs each work in a turn of the event loop of its own and passes its result on in another one, so
 * that other requests are served between.
 */
function createTurns(): <T>(work: () => T) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last
      .then(() => nextTurn())
      .then(work)
      .then((value) => nextTurn(value));
    last = result.catch(() => undefined);
    return result;
  };
}

/** True when the route reads the body itself as a stream. */
export function streamsBody(request: FastifyRequest): boolean {
  const { streamsBody: mediaType } = request.routeOptions.config;
  return mediaType !== undefined && mediaTypeOf(request) === mediaType;
}

/** Refuses unknown paths before their body is parsed. */
const refuseUnknownPath: preParsingHookHandler = (request, _reply, payload, done) => {
  if (!request.is404) return done(null, payload);
  done(HttpErrors.ROUTE_NOT_FOUND(request.method, request.url.split('?', 1)[0] ?? ''));
};

const refuseUnreadable: preParsingHookHandler = (request, _reply, payload, done) => {
  const { headers, method } = request;
  const type = mediaTypeOf(request);
  const expected = request.routeOptions.config.streamsBody;
  if (isEmpty(headers)) {
    if (type !== expected) delete headers['content-type']; // an empty body has no wrong type
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
      if (bodyChunks) bodyChunks.onRefused = () => raw.destroy(); // no response is worth letting the client go on
      return done(null, payload);
    }
    if (raw.complete) return done(null, payload);
    const cut = (error: Error): void => {
      if (reply.sent || payload.listenerCount('error') === 0) return void raw.destroy(); // the body has no reader
      reply.header('connection', 'close');
      payload.emit('error', error); // the reader of the body receives the error, and the response can still be sent
    };
    const cutSlow = (): void => cut(HttpErrors.REQUEST_TIMEOUT());
    const timer = streamsBody(request) ? onceSlow(request, pace, cutSlow) : setTimeout(cutSlow, pace.timeoutMs);
    payload.once('close', () => clearTimeout(timer)).once('end', () => clearTimeout(timer));
    if (bodyChunks)
      bodyChunks.onRefused = (error) => {
        clearTimeout(timer); // the end of the body no longer reaches us
        if (payload.listenerCount('error') > 0) cut(error);
        else if (!reply.sent) void reply.send(error); // the reader still waits for something else
      };
    done(null, payload);
  };
}

/** Cuts an upload that falls below the minimum rate. Bytes that wait for our own reader do not count against the client. */
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
