// Limits the memory of answers that their clients do not read, per network, per /48 network and in total.
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestHookHandler, onSendHookHandler } from 'fastify';
import { type Networks, networksOf } from '../../../shared/libs/network.js';
import { NetworkSums, siteShareOf } from '../../../shared/libs/network-sums.js';
import { bodyBytesOf } from '../fastify-request.js';
import { unavailable } from '../filters/to-problem.js';
import { isInjected } from '../in-flight-request.js';

const MAX_OF_NETWORK = 32 * 1024 * 1024;
/** Beyond this total, networks with more than their share are refused. */
const MAX_OF_ALL = 256 * 1024 * 1024;
/** Otherwise one /48 would have its networks' shares 65,536 times. */
const MAX_OF_SITE = siteShareOf(MAX_OF_NETWORK, MAX_OF_ALL);
/** A network is never refused because of others outside its /48 while it has at most so many unread bytes: a batch and a page. */
const SHARE = 4 * 1024 * 1024;
/** Minimum size of a counted answer, in UTF-16 units or bytes. The limits of connections and pipelining bound smaller ones. */
const MIN_COUNTED = 16_384;
/** Headers of the refused answer that would be wrong for the problem that takes its place. */
const ABOUT_THE_BODY = ['etag', 'link', 'location', 'content-encoding', 'last-modified', 'vary'];

/**
 * A GET beyond the limits is answered with 503, which is small. Another method may have done its work by then: a route with
 * `maxAnswerBytes` reserves them before it runs and is refused there, and other answers go out and only count. Streams do not
 * count: no more than a chunk or two of them is in memory. A batch counts as one.
 */
export function addUnreadAnswersHook(fastify: FastifyInstance): void {
  const unread = new UnreadBytes();
  const reservations = new WeakMap<FastifyRequest, () => void>();
  const reserve =
    (maxAnswerBytes: number): onRequestHookHandler =>
    (request, reply, done) => {
      if (isInjected(request)) return done();
      const networks = networksOf(request.ip);
      const { bodyLimit = 0 } = request.routeOptions; // a longer body is refused unread
      const bytes = maxAnswerBytes + Math.min(bodyBytesOf(request), bodyLimit); // an answer may repeat its request
      if (!unread.hasSpaceFor(networks, bytes)) return done(unavailable());
      reservations.set(request, unread.add(networks, reply, bytes));
      done();
    };
  const countAnswer: onSendHookHandler = (request, reply, payload, done) => {
    reservations.get(request)?.();
    if (!isLarge(payload) || isInjected(request)) return done(null, payload);
    const networks = networksOf(request.ip);
    const bytes = Buffer.byteLength(payload);
    if (request.method === 'GET' && !unread.hasSpaceFor(networks, bytes)) {
      for (const name of ABOUT_THE_BODY) reply.removeHeader(name);
      return done(unavailable());
    }
    unread.add(networks, reply, bytes);
    done(null, payload);
  };
  // Last of each route's hooks: answers to HEAD, and 304, have no body by then.
  fastify.addHook('onRoute', (route) => {
    const { maxAnswerBytes } = route.config ?? {};
    if (maxAnswerBytes !== undefined) route.onRequest = [route.onRequest ?? [], reserve(maxAnswerBytes)].flat();
    route.onSend = [route.onSend ?? [], countAnswer].flat();
  });
}

class UnreadBytes {
  private readonly sums = new NetworkSums();
  private readonly ofSocket = new WeakMap<Socket, { bytes: number }>();
  private total = 0;

  hasSpaceFor(networks: Networks, bytes: number): boolean {
    if (this.sums.ofSite(networks) + bytes > MAX_OF_SITE) return false;
    const own = this.sums.ofNetwork(networks) + bytes;
    return own <= SHARE || (own <= MAX_OF_NETWORK && this.total + bytes <= MAX_OF_ALL);
  }

  /**
   * Counts the bytes until the operating system has the last one, or the connection is closed, or the returned function is
   * called.
   */
  add(networks: Networks, { raw, request }: FastifyReply, bytes: number): () => void {
    const { socket } = request.raw;
    if (socket.destroyed || raw.destroyed) return () => undefined;
    const queued = this.queuedOn(socket, networks);
    queued.bytes += bytes;
    this.change(networks, bytes);
    let counted = bytes;
    const release = (): void => {
      const rest = Math.min(counted, queued.bytes); // less when the connection was closed first
      counted = 0;
      queued.bytes -= rest;
      this.change(networks, -rest);
    };
    raw.once('close', release);
    return release;
  }

  /** An answer behind another one on its connection is not notified when that is closed: so one listener releases them all. */
  private queuedOn(socket: Socket, networks: Networks): { bytes: number } {
    let queued = this.ofSocket.get(socket);
    if (queued) return queued;
    this.ofSocket.set(socket, (queued = { bytes: 0 }));
    const all = queued;
    socket.once('close', () => {
      this.change(networks, -all.bytes);
      all.bytes = 0;
    });
    return queued;
  }

  private change(networks: Networks, bytes: number): void {
    this.total += bytes;
    this.sums.add(networks, bytes);
  }
}

function isLarge(payload: unknown): payload is string | Buffer {
  return (typeof payload === 'string' || Buffer.isBuffer(payload)) && payload.length >= MIN_COUNTED;
}
