// Starts requests in turns: those of one connection one after the other, and few in one turn of the event loop.
import { AsyncResource } from 'node:async_hooks';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { clientBehind, networksOf, widestNetworkOf } from '../../../shared/libs/network.js';
import { HeldBytes } from '../../../shared/libs/held-bytes.js';
import { throttle } from '../../../shared/libs/throttle.js';
import type { Clock } from '../../../shared/libs/clock.js';
import type { Logger } from '../../../shared/logging/logger.js';
import { StartsPerTurn } from './starts-per-turn.js';

/** Browsers wait for each response, and HTTP libraries that do not wait send at most ten requests ahead. */
const MAX_UNANSWERED = 16;
/** Bytes of waiting requests in memory, of a network and in total; a network has at least its share. The heads have up to 16 KiB. */
const MAX_HELD = { ofNetwork: 2 * 1024 * 1024, ofAll: 32 * 1024 * 1024, share: 128 * 1024 };
/** The objects of a request without the text of its head. */
const OBJECTS_BYTES = 2_048;
/** Closed connections write at most one log line per period, milliseconds. */
const WARNING_PERIOD_MS = 60_000;

/**
 * Requests that start in one turn of the event loop: an answer that needs no waiting takes about 0.3 ms. Without a limit, a
 * thousand connections that repeat such requests make a turn take 0.3 s, and an ordinary request needs some ten turns.
 */
const STARTS_PER_TURN = 8;

/**
 * Returns a function that returns true while a connection has a request without an answer.
 *
 * Runs the requests of a connection one after the other. Otherwise each of them would hold its answer, with memory and an open
 * file, until the client has read those before it; and when a connection closes, Node forgets the answers that wait for their
 * turn, so that their files would stay open for ever.
 *
 * Node parses a whole packet before other code runs, and a packet may contain thousands of small requests. Requests beyond
 * the limit must not reach Fastify, so this listener runs before the listeners that are already registered. A connection with
 * waiting requests is not read: otherwise a thousand connections that send without a pause would make each turn parse a thousand
 * packets.
 */
export function limitPipelining(
  server: Server,
  trustProxy: readonly string[],
  log: Logger,
  clock: Clock,
): (socket: Socket) => boolean {
  /** The requests of each connection that were not answered yet: the first one runs or waits for its turn, the others wait for it. */
  const connections = new WeakMap<Socket, Waiting[]>();
  const held = new HeldBytes(MAX_HELD); // by the requests that wait behind another one of their connection
  const clientOf = clientBehind(trustProxy);
  const warn = throttle(WARNING_PERIOD_MS, () => clock.now(), (skipped) =>
    log.warn({ skipped }, 'Closed a connection that sent too many or too large requests ahead of their answers'),
  ); // prettier-ignore
  const turns = new StartsPerTurn(STARTS_PER_TURN);
  const outside = new AsyncResource('NextOfConnection'); // not in the context of the request before it
  const listeners = server.listeners('request');
  server.removeAllListeners('request').on('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    if (socket.destroyed) return; // the client is gone
    let unanswered = connections.get(socket);
    if (!unanswered) connections.set(socket, (unanswered = []));
    const isFirst = unanswered.length === 0;
    const bytes = isFirst ? 0 : bytesOf(request);
    const networks = isFirst ? undefined : networksOf(clientOf(request));
    if (unanswered.length === MAX_UNANSWERED || (networks && !held.hasSpaceFor(networks, bytes))) {
      closeUnparsed(socket);
      return warn();
    }
    const start = (): void => {
      if (socket.destroyed) return releaseAll(waiting); // the client left while its request waited
      response.once('close', () => outside.runInAsyncScope(runNext, undefined, socket, waiting));
      for (const listener of listeners) listener.call(server, request, response);
    };
    const waiting = unanswered;
    const run = (): void => turns.run(start, () => widestNetworkOf(clientOf(request)));
    unanswered.push({ run, release: networks ? held.add(networks, bytes) : () => undefined });
    if (isFirst) run();
    else socket.pause();
  });
  return (socket) => (connections.get(socket)?.length ?? 0) > 0;
}

/** The first request was answered. When its client is gone, the others never run. */
function runNext(socket: Socket, unanswered: Waiting[]): void {
  unanswered.shift();
  if (socket.destroyed) return releaseAll(unanswered);
  const [next, afterNext] = unanswered;
  next?.release();
  if (afterNext)
    socket.pause(); // Node reads on after each answer
  else if (next) socket.resume();
  next?.run();
}

function releaseAll(waiting: readonly Waiting[]): void {
  for (const { release } of waiting) release();
}

interface Waiting {
  run: () => void;
  /** Ends the count of its bytes. */
  release: () => void;
}

function bytesOf({ url = '', rawHeaders }: IncomingMessage): number {
  let bytes = OBJECTS_BYTES + url.length;
  for (const text of rawHeaders) bytes += text.length;
  return bytes;
}

/**
 * Node continues to parse the rest of the packet and creates a response for each request. `onIncoming`, which does that, is
 * undocumented. If it is missing or changes, the listener above still drops the requests, at ten times the cost.
 */
function closeUnparsed(socket: Socket & { parser?: { onIncoming?: () => number } | null }): void {
  socket.destroy();
  if (socket.parser?.onIncoming) socket.parser.onIncoming = () => 0;
}
