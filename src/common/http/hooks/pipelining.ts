// Limits the unanswered requests on one connection; with more, the connection is closed.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** Browsers wait for each response, and HTTP libraries that do not wait send at most ten requests ahead. */
const MAX_UNANSWERED = 16;
/** Closed connections write at most one log line per period, milliseconds. */
const WARNING_PERIOD_MS = 60_000;

/**
 * Node parses a whole packet before other code runs, and a packet may contain thousands of small requests. Requests beyond
 * the limit must not reach Fastify, so this listener runs before the listeners that are already registered.
 */
export function limitPipelining(server: Server, log: Logger, clock: Clock): void {
  const unanswered = new WeakMap<Socket, number>();
  const warn = throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
    log.warn({ skipped }, `Closed a connection that sent more than ${MAX_UNANSWERED} requests ahead of their answers`),
  ); // prettier-ignore
  function answered(this: ServerResponse): void {
    const { socket } = this.req;
    unanswered.set(socket, (unanswered.get(socket) ?? 1) - 1);
  }
  const listeners = server.listeners('request');
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed) return; // the client is gone
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
 * Node continues to parse the rest of the packet and creates a response for each request. `onIncoming`, which does that, is
 * undocumented. If it is missing or changes, the listener above still drops the requests, at ten times the cost.
 */
function closeUnparsed(socket: Socket & { parser?: { onIncoming?: () => number } | null }): void {
  socket.destroy();
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => 0;
}
