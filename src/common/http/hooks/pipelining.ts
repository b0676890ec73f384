// Runs the requests of one connection one after the other; with too many of them, the connection is closed.
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import type { Logger } from '../../../shared/logging/logger.js';

/** Browsers wait for each response, and HTTP libraries that do not wait send at most ten requests ahead. */
const MAX_UNANSWERED = 16;
/** Closed connections write at most one log line per period, milliseconds. */
const WARNING_PERIOD_MS = 60_000;

/** The requests of one connection that were not answered yet: the first one runs, the others wait. */
type Unanswered = Array<() => void>;

/**
 * Runs the requests of a connection one after the other. Otherwise each of them would hold its answer, with memory and an open
 * file, until the client has read those before it; and when a connection closes, Node forgets the answers that wait for their
 * turn, so that their files would stay open for ever.
 *
 * Node parses a whole packet before other code runs, and a packet may contain thousands of small requests. Requests beyond
 * the limit must not reach Fastify, so this listener runs before the listeners that are already registered.
 */
export function limitPipelining(server: Server, log: Logger, clock: Clock): void {
  const unanswered = new WeakMap<Socket, Unanswered>();
  const warn = throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
    log.warn({ skipped }, `Closed a connection that sent more than ${MAX_UNANSWERED} requests ahead of their answers`),
  ); // prettier-ignore
  const listeners = server.listeners('request');
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed) return; // the client is gone
    let waiting = unanswered.get(socket);
    if (!waiting) unanswered.set(socket, (waiting = []));
    if (waiting.length === MAX_UNANSWERED) {
      closeUnparsed(socket);
      return warn();
    }
    const run = (): void => {
      response.once('close', () => runNext(socket, waiting));
      for (const listener of listeners) listener.call(server, request, response);
    };
    if (waiting.length > 0) return void waiting.push(AsyncResource.bind(run)); // not in the context of the one before it
    waiting.push(run);
    run();
  });
}

/** The first request was answered. When its client is gone, the others never run. */
function runNext(socket: Socket, waiting: Unanswered): void {
  waiting.shift();
  if (!socket.destroyed) waiting[0]?.();
}

/**
 * Node continues to parse the rest of the packet and creates a response for each request. `onIncoming`, which does that, is
 * undocumented. If it is missing or changes, the listener above still drops the requests, at ten times the cost.
 */
function closeUnparsed(socket: Socket & { parser?: { onIncoming?: () => number } | null }): void {
  socket.destroy();
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => 0;
}
