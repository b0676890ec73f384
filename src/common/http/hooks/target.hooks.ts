// What a request is for (RFC 9112, 3.2): a path of ours and one host. Anything else is 400.
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { HttpErrors } from '../http.errors.js';

/** Of the server as such, whatever the path. */
const EVERY_METHOD = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS';

/** Why the path of a request cannot be read. */
const unreadable = new WeakMap<IncomingMessage, Error>();

/**
 * Fastify has no hooks for a path that it cannot decode. So that its answer is like all others, with an id, CORS,
 * security headers and a log line, it goes its way again as a request for `/`, which `addTargetHook` refuses.
 */
export function rerouteUnreadable(error: Error, { raw, server }: FastifyRequest, reply: FastifyReply): void {
  unreadable.set(raw, error);
  server.routing(raw, reply.raw);
}

/** For Fastify to call. What is no path of ours goes on as `/` too, or the router would take a path out of it. */
export function rewriteTarget(raw: IncomingMessage): string {
  const { url = '/' } = raw;
  return url.startsWith('/') && !unreadable.has(raw) ? url : '/';
}

/** After the hooks that set headers: a refusal has them too. */
export function addTargetHook(fastify: FastifyInstance): void {
  fastify.addHook('onRequest', (request, reply, done) => {
    const fault = faultOf(request);
    if (fault) done(fault);
    else if (isForServer(request)) void reply.code(204).header('allow', EVERY_METHOD).send();
    else done();
  });
}

/** `OPTIONS *` (RFC 9110, 9.3.7). */
function isForServer(request: FastifyRequest): boolean {
  return request.url === '/' && request.originalUrl === '*' && request.method === 'OPTIONS';
}

function faultOf(request: FastifyRequest): Error | undefined {
  const { raw, headers, url } = request;
  if (url === '/') {
    if (unreadable.has(raw)) return unreadable.get(raw);
    if (!request.originalUrl.startsWith('/') && !isForServer(request))
      return HttpErrors.BAD_REQUEST('The request target must be a path that begins with a slash: this is no proxy.');
  }
  const { host } = headers;
  // Node would refuse it too, but with an empty answer.
  if (host === undefined)
    return raw.httpVersion === '1.1' ? HttpErrors.BAD_REQUEST('HTTP/1.1 needs a Host header.') : undefined;
  if (!HOST.test(host) || countHosts(raw.rawHeaders) > 1)
    return HttpErrors.BAD_REQUEST('There must be one Host header, with a host name and perhaps a port.');
  return undefined;
}

/** RFC 3986, 3.2.2 and 3.2.3, without a comma, which joins two values. */
const HOST = /^[\w.~%!$&'()*+;=:[\]-]*$/;

/** Of several, Node keeps the first and says nothing. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string;
    if (name.length === 4 && name.toLowerCase() === 'host') count++;
  }
  return count;
}
