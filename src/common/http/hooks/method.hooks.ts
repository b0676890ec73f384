// A known path answers every method: OPTIONS with 204, what no route handles with 405, both with `Allow` (RFC 9110, 9.3.7, 15.5.6).
import { METHODS } from 'node:http';
import type { FastifyInstance, FastifyRequest, onRequestHookHandler, RouteOptions } from 'fastify';
import { HttpErrors } from '../http.errors.js';

declare module 'fastify' {
  interface FastifyInstance {
    /** Methods with a route of ours, by the path of the route. */
    methodsByPath: Map<string, Set<string>>;
  }
  interface FastifyContextConfig {
    /** Answers for methods that the path does not have. */
    isMethodFallback?: boolean;
  }
}

/** What @fastify/cors registers, so that a preflight of any path reaches its hook. */
const ANY_PATH = '*';

/** Before the first route is registered. */
export function addMethodHooks(fastify: FastifyInstance): void {
  const known = new Map<string, Set<string>>();
  fastify.decorate('methodsByPath', known);
  fastify.addHook('onRoute', (route) => {
    if (route.url === ANY_PATH) {
      route.errorHandler = (error, request, reply) => request.server.errorHandler(error, request, reply); // the one that is set later
      return addOnRequest(route, answerUnknownPath);
    }
    if (route.config?.isMethodFallback) return;
    const methods = known.get(route.url) ?? new Set<string>();
    known.set(route.url, methods);
    for (const method of [route.method].flat()) methods.add(method);
    if (methods.has('OPTIONS')) addOnRequest(route, allow);
  });
}

/** Once all routes are registered, and before the server is ready. CONNECT never gets here: Node closes its connection. */
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

/** OPTIONS is there for every path, HEAD wherever GET is: Fastify adds that route. */
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

/** A preflight has its headers from CORS by now. */
const answerOptions: onRequestHookHandler = (request, reply, done) => {
  if (lacksParameter(request)) return done(notFound(request));
  void reply.code(204).header('allow', allowedFor(request)).send();
};

/** A preflight of a path that is not known: the page behind it gets to see the 404 of the request itself. */
const answerUnknownPath: onRequestHookHandler = (request, reply, done) => {
  const { origin, 'access-control-request-method': asksFor } = request.headers;
  if (origin !== undefined && asksFor !== undefined) return void reply.code(204).send();
  done(notFound(request));
};

/** `/api/tasks/` looks like `/api/tasks/:id` to the router, without an id. */
function lacksParameter({ params }: FastifyRequest): boolean {
  return Object.entries(params as Record<string, string>).some(([name, value]) => name !== '*' && value === '');
}

function notFound({ method, url }: FastifyRequest): Error {
  return HttpErrors.ROUTE_NOT_FOUND(method, url.split('?', 1)[0] ?? '');
}
