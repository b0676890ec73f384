// Unhandled methods of a known path: OPTIONS returns 204, others 405, both with `Allow` (RFC 9110, 9.3.7, 15.5.6).
import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify';
import { HttpErrors } from '../http.errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** The methods of our routes, by path. */
    methodsByPath: Map<string, Set<string>>;
  }
  interface FastifyContextConfig {
    /** The route answers for methods that the path does not have. */
    isMethodFallback?: boolean;
  }
}

/** The path that @fastify/cors registers, so that a preflight of any path reaches its hook. */
const ANY_PATH = '*';

/** Call before the first route is registered. */
export function addMethodHooks(fastify: FastifyInstance): void {
  const known = new Map<string, Set<string>>();
  fastify.decorate('methodsByPath', known);
  fastify.addHook('onRoute', (route) => {
    if (route.url === ANY_PATH) {
      route.errorHandler = (error, request, reply) => request.server.errorHandler(error, request, reply); // the handler set later
      return addOnRequest(route, answerUnknownPath);
    }
    if (route.config?.isMethodFallback) return;
    const methods = known.get(route.url) ?? new Set<string>();
    known.set(route.url, methods);
    for (const method of [route.method].flat()) methods.add(method);
    if (methods.has('OPTIONS')) addOnRequest(route, allow);
  });
}

/** Call when all routes are registered and before the server is ready. Node itself closes the connection of a CONNECT. */
export function addMethodFallbacks(fastify: FastifyInstance): void {
  const all = METHODS.filter((method) => method !== 'CONNECT');
  for (const method of all) if (!fastify.supportedMethods.includes(method)) fastify.addHttpMethod(method);
  const config = { isMethodFallback: true };
  for (const [url, methods] of fastify.methodsByPath) {
    const others = all.filter((method) => !methods.has(method) && method !== 'OPTIONS');
    const fallback = { url, config, exposeHeadRoute: false, handler: () => undefined };
    fastify.route({ ...fallback, method: others, onRequest: refuseMethod });
    if (!methods.has('OPTIONS')) fastify.route({ ...fallback, method: 'OPTIONS', onRequest: answerOptions });
  }
}

function addOnRequest(route: RouteOptions, hook: onRequestHookHandler): void {
  route.onRequest = [route.onRequest ?? [], hook].flat();
}

/** Returns the Allow header. Every path has OPTIONS, and HEAD wherever it has GET: Fastify adds that route. */
function allowedFor({ server, routeOptions: { url = '' } }: FastifyRequest): string {
  return [...new Set([...(server.methodsByPath.get(url) ?? []), 'OPTIONS'])].join(', ');
}

const allow: onRequestHookHandler = (request, reply, done) => {
  if (request.method === 'OPTIONS') reply.header('allow', allowedFor(request));
  done();
};

const refuseMethod: onRequestHookHandler = (request, _reply, done) => {
  if (lacksParameter(request)) return done(notFound(request));
  const allowed = allowedFor(request);
  done(HttpErrors.METHOD_NOT_ALLOWED(request.method, allowed).withHeader('Allow', allowed));
};

/** The CORS hook has already set the headers of a preflight. */
const answerOptions: onRequestHookHandler = (request, reply, done) => {
  if (lacksParameter(request)) return done(notFound(request));
  void reply.code(204).header('allow', allowedFor(request)).send();
};

/** A preflight for an unknown path succeeds, so that the page can read the 404 of the request itself. */
const answerUnknownPath: onRequestHookHandler = (request, reply, done) => {
  const { origin, 'access-control-request-method': asksFor } = request.headers;
  if (origin !== undefined && asksFor !== undefined) return void reply.code(204).send();
  done(notFound(request));
};

/** True for `/api/tasks/`, which the router matches as `/api/tasks/:id` with an empty id. */
function lacksParameter({ params }: FastifyRequest): boolean {
  return Object.entries(params as Record<string, string>).some(([name, value]) => name !== '*' && value === '');
}

function notFound({ method, url }: FastifyRequest): Error {
  return HttpErrors.ROUTE_NOT_FOUND(method, url.split('?', 1)[0] ?? '');
}
