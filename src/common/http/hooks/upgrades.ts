// Requests that ask for another protocol: a WebSocket handshake is routed as any request, other protocols are ignored.
import { type IncomingMessage, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** The connection of a WebSocket handshake, with what has arrived behind its headers. */
export interface Handshake {
  socket: Socket;
  head: Buffer;
}

const handshakes = new WeakMap<IncomingMessage, Handshake>();

/**
 * With a listener of `upgrade`, Node stops to parse HTTP for every request that asks for a protocol, as `h2c`, which some clients send
 * with each first request. Those are parsed again without that wish. Call it before other code listens for connections.
 */
export function routeUpgrades(server: Server): void {
  const [parseHttp] = server.listeners('connection'); // Node's own
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    socket.on('error', () => socket.destroy()); // Node's own listener is gone
    if (isHandshake(request)) return answer(server, request, { socket, head });
    socket.unshift(Buffer.concat([Buffer.from(withoutUpgrade(request), 'latin1'), head]));
    parseHttp?.call(server, socket);
  });
}

/** Returns the handshake of a request for a WebSocket (RFC 6455, 4.2.1); undefined for any other request. */
export function handshakeOf({ raw }: FastifyRequest): Handshake | undefined {
  return handshakes.get(raw);
}

/** Ends the request for the hooks, with a log line as 101; from now on the connection belongs to the caller. */
export function leaveHttp(reply: FastifyReply, { socket }: Handshake): void {
  void reply.code(101).hijack();
  reply.raw.detachSocket(socket);
  reply.raw.emit('close');
}

function isHandshake({ method, headers, httpVersion }: IncomingMessage): boolean {
  return (
    method === 'GET' &&
    httpVersion === '1.1' &&
    headers.upgrade?.toLowerCase() === 'websocket' &&
    /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '') &&
    headers['sec-websocket-version'] === '13'
  );
}

/** The response is what the client gets if the route answers instead of taking over the connection. */
function answer(server: Server, request: IncomingMessage, handshake: Handshake): void {
  const { socket } = handshake;
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once('finish', () => {
    response.detachSocket(socket);
    socket.destroySoon();
    response.emit('close');
  });
  handshakes.set(request, handshake);
  server.emit('request', request, response);
}

const WISHES = new Set(['upgrade', 'http2-settings']);

/** Returns the head of the request without the headers that ask for another protocol. */
function withoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  const lines = [`${method} ${url} HTTP/${httpVersion}`];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = rawHeaders.slice(at, at + 2);
    if (WISHES.has(name.toLowerCase())) continue;
    const options = value.split(',').filter((option) => !WISHES.has(option.trim().toLowerCase()));
    lines.push(`${name}: ${name.toLowerCase() === 'connection' ? options.join() : value}`);
  }
  return `${lines.join('\r\n')}\r\n\r\n`;
}
