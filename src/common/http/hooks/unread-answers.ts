// Limits the memory of answers that their clients do not read, per network, per /48 network and in total.
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify';
import { type Networks, networksOf } from '../../../shared/libs/network.js';
import { HeldBytes } from '../../../shared/libs/held-bytes.js';
import { bodyBytesOf } from '../fastify-request.js';
import { unavailable } from '../filters/to-problem.js';
import { isInjected } from '../in-flight-request.js';

/** The share: a batch and a page. */
const LIMITS = { ofNetwork: 32 * 1024 * 1024, ofAll: 256 * 1024 * 1024, share: 4 * 1024 * 1024 };
/** Minimum size of a counted answer, in UTF-16 units or bytes. The limits of connections and pipelining bound smaller ones. */
const MIN_COUNTED = 16_384;
/** Bytes of a streamed answer in memory: one chunk of the storage waits in the socket, the next one in the stream. */
const MAX_OF_STREAM = 512 * 1024;
/** Headers of the refused answer that would be wrong for the problem that takes its place. */
const ABOUT_THE_BODY = [
  ...['etag', 'link', 'location', 'last-modified', 'vary', 'accept-ranges'],
  ...['content-encoding', 'content-length', 'content-range', 'content-disposition', 'content-location'],
];

/**
 * A GET beyond the limits is answered with 503, which is small. Another method may have done its work by then: a route with
 * `maxAnswerBytes` reserves them before it runs and is refused there, and other answers go out and only count. A stream
 * counts with what is in memory of it. A batch counts as one.
 */
export function addUnreadAnswersHook(fastify: FastifyInstance): void {
  const unread = new HeldBytes(LIMITS);
  const reservations = new WeakMap<FastifyRequest, () => void>();
  const reserve =
    (maxAnswerBytes: number): onRequestHookHandler =>
    (request, reply, done) => {
      if (isInjected(request)) return done();
      const networks = networksOf(request.ip);
      const { bodyLimit = 0 } = request.routeOptions; // a longer body is refused unread
      const bytes = maxAnswerBytes + Math.min(bodyBytesOf(request), bodyLimit); // an answer may repeat its request
      if (!unread.hasSpaceFor(networks, bytes)) return done(unavailable());
      reservations.set(request, hold(unread, networks, reply, bytes));
      done();
    };
  const countAnswer: onSendHookHandler = (request, reply, payload, done) => {
    reservations.get(request)?.();
    const bytes = heldBytesOf(payload, reply);
    if (bytes < MIN_COUNTED || isInjected(request)) return done(null, payload);
    const networks = networksOf(request.ip);
    if (request.method === 'GET' && !unread.hasSpaceFor(networks, bytes)) {
      if (payload instanceof Readable) payload.destroy(); // Fastify drops it unclosed: its file would stay open
      for (const name of ABOUT_THE_BODY) reply.removeHeader(name);
      return done(unavailable());
    }
    hold(unread, networks, reply, bytes);
    done(null, payload);
  };
  // Last of each route's hooks: answers to HEAD, and 304, have no body by then.
  fastify.addHook('onRoute', (route) => {
    const { maxAnswerBytes } = route.config ?? {};
    if (maxAnswerBytes !== undefined) route.onRequest = [route.onRequest ?? [], reserve(maxAnswerBytes)].flat();
    route.onSend = [route.onSend ?? [], countAnswer].flat();
  });
}

/**
 * Counts the bytes until the operating system has the last one, or the connection is closed, or the returned function is
 * called. Needs `limitPipelining`: Node does not emit `close` on an answer that waits behind another one of its connection.
 */
function hold(unread: HeldBytes, networks: Networks, { raw, request }: FastifyReply, bytes: number): () => void {
  if (request.raw.socket.destroyed || raw.destroyed) return () => undefined;
  const release = unread.add(networks, bytes);
  raw.once('close', release);
  return release;
}

/** Returns how many bytes an answer may hold in memory until its client has read it. */
function heldBytesOf(payload: unknown, reply: FastifyReply): number {
  if (typeof payload === 'string' || Buffer.isBuffer(payload)) return Buffer.byteLength(payload);
  if (!(payload instanceof Readable) || reply.routeOptions.config.staysOpen) return 0;
  return Math.min(Number(reply.getHeader('content-length') ?? Infinity), MAX_OF_STREAM);
}
