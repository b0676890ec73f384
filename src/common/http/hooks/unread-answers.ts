// Answers that their clients do not read stay in memory: how many bytes of them one network may leave there, and all together.
import type { FastifyInstance, FastifyReply } from 'fastify';
import { networkOf } from '../../../shared/libs/network.js';
import { unavailable } from '../filters/to-problem.js';
import { isInjected } from '../request-in-flight.js';

const MAX_OF_NETWORK = 32 * 1024 * 1024;
const MAX_OF_ALL = 256 * 1024 * 1024;
/** Of an answer, in UTF-16 units or bytes. Smaller ones are not counted: how many there may be, the limits of connections and pipelining say. */
const MIN_COUNTED = 16_384;

/**
 * An answer beyond the limits is 503 instead, which is small. Streams are not counted: of these, no more than a chunk or
 * two is in memory. A batch is counted as the one answer that it is.
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

/** The operating system has the last byte, or the connection is gone. */
function onceGone({ raw }: FastifyReply, gone: () => void): void {
  if (raw.destroyed) return gone();
  raw.once('close', gone);
}
