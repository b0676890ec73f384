// Answers input that is invalid HTTP, too slow or too large: there is no request object, only a socket.
import type { ConnectionError } from 'fastify';
import type { Socket } from 'node:net';
import { SystemClock } from '../../../shared/libs/clock.js';
import { PROBLEM_JSON, toProblem } from '../filters/problem.filter.js';
import { toAppError } from '../filters/to-problem.js';
import { requestIdOf } from './request.hooks.js';
import { DATA_HEADERS } from './security.hooks.js';

/** The socket may be older than the application and its clock. */
const clock = new SystemClock();

/** `corsOrigins`: origins that may read the response, which browsers with too large cookies receive too. */
export function answerClientError(corsOrigins: readonly string[], error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  const id = requestIdOf({ headers: {} });
  const request = { id, originalUrl: '', method: '', ip: socket.remoteAddress ?? '' };
  const body = JSON.stringify(toProblem(toAppError({ statusCode: status }), request));
  const headers = {
    ...DATA_HEADERS,
    ...corsHeaders(corsOrigins, error),
    'cache-control': 'no-store',
    'content-type': PROBLEM_JSON,
    'content-length': Buffer.byteLength(body),
    'x-request-id': id,
    date: new Date(clock.now()).toUTCString(),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${status}\r\n${lines.join('')}\r\n${body}`);
}

/** Reads the Origin from the last packet that Node's error contains; Fastify's type describes it as JSON would. */
function corsHeaders(origins: readonly string[], { rawPacket }: { rawPacket?: unknown }): Record<string, string> {
  if (origins.length === 0) return {};
  const [, origin = ''] =
    /^origin:[ \t]*([^\s]+)[ \t]*\r?$/im.exec(Buffer.isBuffer(rawPacket) ? rawPacket.toString('latin1') : '') ?? [];
  const vary = { vary: `${DATA_HEADERS['vary']}, Origin` };
  if (!origins.includes(origin)) return vary;
  return {
    ...vary,
    'access-control-allow-origin': origin,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'X-Request-Id',
  };
}
