// An answer that goes out before the body of its request is here: the rest is not waited for, and the connection ends.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** So long the rest is read and thrown away: a connection that is closed with bytes unread resets, and its client might lose the answer. */
const LINGER_MS = 2_000;
/** So much of it: then nothing is read any more, while the client still has its time to read the answer. */
const LINGER_BYTES = 1_048_576;
const LINGER_READS = 1_000;
/** A body this small is on its way as a whole, and its connection can be kept. */
const SMALL_BODY_BYTES = 65_536;

/** Before the answer: tells the client to stop sending (RFC 9112, 9.3), which uploads do. */
export function announceClose({ raw, headers }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete !== false || isSmall(headers)) return; // an injected request has no `complete`
  reply.header('connection', 'close');
  // What Node calls after such an answer would close at once.
  raw.socket.destroySoon = () => linger(raw);
}

/** After the answer. */
export function cutUnread(raw: IncomingMessage): void {
  if (raw.complete !== false || raw.socket.destroyed || raw.socket.writableEnded) return;
  if (!isSmall(raw.headers)) return linger(raw);
  raw.resume();
  setTimeout(() => {
    if (!raw.complete) raw.socket.destroy();
  }, LINGER_MS).unref();
}

function isSmall(headers: IncomingHttpHeaders): boolean {
  return Number(headers['content-length']) <= SMALL_BODY_BYTES;
}

/** Ends the connection, and throws away what still comes without parsing it: that costs the less, the more is read at once. */
function linger(raw: IncomingMessage): void {
  const { socket } = raw;
  const end = (): void => void raw.destroy(); // and its socket with it
  let bytes = 0;
  let reads = 0;
  socket.end();
  socket
    .removeAllListeners('data') // Node's parser
    .on('data', (piece: Buffer) => {
      bytes += piece.length;
      if (bytes >= LINGER_BYTES || ++reads >= LINGER_READS) socket.pause();
    })
    .once('end', end)
    .resume();
  setTimeout(end, LINGER_MS).unref();
}
