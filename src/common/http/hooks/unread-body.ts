// Handles a response that is sent before the request body has arrived: does not wait for the rest and ends the connection.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Time during which the rest is read and discarded: closing with unread bytes resets, and the client might lose the response. */
const LINGER_MS = 2_000;
/** Maximum bytes to discard; then reading stops, while the client still has time to read the response. */
const LINGER_BYTES = 1_048_576;
const LINGER_READS = 1_000;
/** A body this small is already on its way as a whole, so the connection can be kept. */
const SMALL_BODY_BYTES = 65_536;

/** Call before the response: asks the client to stop sending (RFC 9112, 9.3), which upload clients do. */
export function announceClose({ raw, headers }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete !== false || isSmall(headers)) return; // an injected request has no `complete`
  reply.header('connection', 'close');
  // Node calls this after such a response; its own version would close at once.
  raw.socket.destroySoon = () => linger(raw);
}

/** Call after the response. */
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

/** Ends the connection and discards the rest without parsing; large reads make this cheap. */
function linger(raw: IncomingMessage): void {
  const { socket } = raw;
  const end = (): void => void raw.destroy(); // destroys the socket too
  let bytes = 0;
  let reads = 0;
  socket.end();
  socket
    .removeAllListeners('data') // Node's parser
    .on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes >= LINGER_BYTES || ++reads >= LINGER_READS) socket.pause();
    })
    .once('end', end)
    .resume();
  setTimeout(end, LINGER_MS).unref();
}
