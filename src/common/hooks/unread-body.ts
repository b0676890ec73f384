// An answer that goes out before the body of its request is here: the rest is not waited for, and the connection ends.
import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** So long the rest is read and thrown away: a connection that is closed with bytes unread resets, and its client might lose the answer. */
const LINGER_MS = 2_000;
/** A body this small is on its way as a whole, and its connection can be kept. */
const SMALL_BODY_BYTES = 65_536;

/** Before the answer: tells the client to stop sending (RFC 9112, 9.3), which uploads do. */
export function announceClose({ raw, headers }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete !== false || Number(headers['content-length']) <= SMALL_BODY_BYTES) return; // an injected request has no `complete`
  const { socket } = raw;
  reply.header('connection', 'close');
  // What Node calls after such an answer would close at once.
  socket.destroySoon = () => {
    socket.end();
    raw.resume();
    socket.once('end', () => socket.destroy());
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
  };
}

/** After the answer. */
export function cutUnread(raw: IncomingMessage): void {
  if (raw.complete !== false || raw.socket.destroyed) return;
  raw.resume();
  setTimeout(() => {
    if (!raw.complete) raw.socket.destroy();
  }, LINGER_MS).unref();
}
