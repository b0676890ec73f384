// Validates the target of a request (RFC 9112, 3.2): a path of ours and one host. Anything else is 400.
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HttpErrors } from '../http.errors.js';

/** Node drops further ones silently, so a request that reaches the limit is refused. Clients and proxies send about 30. */
export const MAX_HEADERS = 100;

/** The methods of the server as a whole, whatever the path. */
const EVERY_METHOD = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Requests whose path cannot be decoded, with the error. */
const unreadable = new WeakMap<IncomingMessage, Error>();

/**
 * Fastify runs no hooks for a path that it cannot decode. To give the response an id, CORS, security headers and a log line
 * as usual, the request is routed again as `/`, which `addTargetHook` refuses.
 */
export function rerouteUnreadable(error: Error, { raw, server }: FastifyRequest, reply: FastifyReply): void {
  unreadable.set(raw, error);
  server.routing(raw, reply.raw);
}

/** Called by Fastify. Targets that are no path also become `/`; otherwise the router would extract a path from them. */
export function rewriteTarget(raw: IncomingMessage): string {
  const { url = '/' } = raw;
  return url.startsWith('/') && !unreadable.has(raw) ? url : '/';
}

/** Call after the hooks that set headers, so that a refusal has them too. */
export function addTargetHook(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const fault = faultOf(request);
    if (fault) done(fault);
    else if (isForServer(request)) void reply.code(204).header('allow', EVERY_METHOD).send();
    else done();
  });
}

/** True for `OPTIONS *` (RFC 9110, 9.3.7). */
function isForServer(request: FastifyRequest): boolean {
  return request.url === '/' && request.originalUrl === '*' && request.method === 'OPTIONS';
}

function faultOf(request: FastifyRequest): Error | undefined {
  const { raw, headers, url } = request;
  if (raw.rawHeaders.length >= 2 * MAX_HEADERS) return HttpErrors.HEADERS_TOO_LARGE();
  if (url === '/') {
    if (unreadable.has(raw)) return unreadable.get(raw);
    if (!request.originalUrl.startsWith('/') && !isForServer(request))
      return HttpErrors.BAD_REQUEST('The request target must be a path that begins with a slash: this is no proxy.');
  }
  const { host } = headers;
  // Node would refuse it too, but with an empty response.
  if (host === undefined)
    return raw.httpVersion === '1.1' ? HttpErrors.BAD_REQUEST('HTTP/1.1 needs a Host header.') : undefined;
  if (!HOST.test(host) || countHosts(raw.rawHeaders) > 1)
    return HttpErrors.BAD_REQUEST('There must be one Host header, with a host name and perhaps a port.');
  return undefined;
}

/** RFC 3986, 3.2.2 and 3.2.3, without the comma, which joins two values. */
const HOST = /^[\w.~%!$&'()*+;=:[\]-]*$/;

/** Counts the Host headers; of several, Node silently keeps the first. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count++;
  }
  return count;
}
