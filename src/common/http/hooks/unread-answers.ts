// Limits the memory for responses that clients do not read: the bytes per network and in total.
import type { FastifyInstance, FastifyReply } from 'fastify';
import { networkOf } from '../../../shared/libs/network.js';
import { unavailable } from '../filters/to-problem.js';
import { isInjected } from '../request-in-flight.js';

const MAX_OF_NETWORK = 32 * 1024 * 1024;
const MAX_OF_ALL = 256 * 1024 * 1024;
/** In UTF-16 units or bytes. Smaller responses are not counted: the connection and pipelining limits bound their number. */
const MIN_COUNTED = 16_384;

/**
 * Replaces a response beyond the limits with a small 503. Streams are not counted: only a chunk or two of each is in memory.
 * A batch counts as one response.
 */
export function addUnreadAnswersHook(fastify: FastifyInstance): void {
  const unread = new Map<string, number>();
  let total = 0;
  const add = (network: string, bytes: number): void => {
    total += bytes;
    const sum = (unread.get(network) ?? 0) + bytes;
    if (sum === 0) unread.delete(network);
    else unread.set(network, sum);
  };
  fastify.addHook('onSend', (request, reply, payload, done) => {
    if (!isLarge(payload) || isInjected(request)) return done(null, payload);
    const network = networkOf(request.ip);
    const bytes = Buffer.byteLength(payload);
    if ((unread.get(network) ?? 0) + bytes > MAX_OF_NETWORK || total + bytes > MAX_OF_ALL) return done(unavailable());
    add(network, bytes);
    onceGone(reply, () => add(network, -bytes));
    done(null, payload);
  });
}

function isLarge(payload: unknown): payload is string | Buffer {
  return (typeof payload === 'string' || Buffer.isBuffer(payload)) && payload.length >= MIN_COUNTED;
}

/** Calls `gone` when the operating system has the last byte, or the connection is closed. */
function onceGone({ raw }: FastifyReply, gone: () => void): void {
  if (raw.destroyed) return gone();
  raw.once('close', gone);
}
