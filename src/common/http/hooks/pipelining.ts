// How many requests a client may send on one connection before they are answered: with more, the connection ends.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { atMostEvery } from '../../../shared/libs/at-most-every.js';
import type { Clock } from '../../../shared/libs/clock.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** Browsers wait for each answer, and HTTP libraries that do not send at most ten requests ahead. */
const MAX_UNANSWERED = 16;
/** A flood writes one line in so many milliseconds. */
const WARNING_PERIOD_MS = 60_000;

/**
 * Node parses all that a packet holds before anything else gets a turn, and a packet holds thousands of small requests.
 * Those beyond the limit must not reach Fastify: so this stands before the listeners that are there by now.
 */
export function limitPipelining(server: Server, log: Logger, clock: Clock): void {
  const unanswered = new WeakMap<Socket, number>();
  const warn = atMostEvery(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
    log.warn({ skipped }, `A connection is closed: it has sent more than ${MAX_UNANSWERED} requests ahead of their answers`),
  ); // prettier-ignore
  function answered(this: ServerResponse): void {
    const { socket } = this.req;
    unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
  }
  const listeners = server.listeners('request');
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed) return; // nobody is there to be answered
    const count = (unanswered.get(socket) ?? 0) + 1;
    if (count > MAX_UNANSWERED) {
      closeUnparsed(socket);
      return warn();
    }
    unanswered.set(socket, count);
    response.once('close', answered);
    for (const listener of listeners) listener.call(server, request, response);
  });
}

/**
 * Node goes on parsing what the packet still holds, and makes a response for each request. `onIncoming`, which does that,
 * is not documented: where it is missing, or means something else, requests are dropped by the listener above, at ten times the cost.
 */
function closeUnparsed(socket: Socket & { parser?: { onIncoming?: () => number } | null }): void {
  socket.destroy();
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => 0;
}
