// The HTTP application in the order a request meets it; shared by the server and the tests.
import type { Socket } from 'node:net';
import cors, { type FastifyCorsOptions } from '@fastify/cors';
import { RequestMethod, VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { addDocs } from './app.docs.js';
import { AppModule } from './app.module.js';
import { PROBLEM_JSON, ProblemFilter, toProblem } from './common/filters/problem.filter.js';
import { toAppError } from './common/filters/to-problem.js';
import { addBodyHooks } from './common/hooks/body.hooks.js';
import { addTokenHook } from './auth/token.hooks.js';
import { JwtStrategy } from './auth/jwt.strategy.js';
import { Principals } from './auth/principals.js';
import { addDeadlineHooks } from './common/hooks/deadline.hooks.js';
import { addLimitHooks } from './common/hooks/limit.hooks.js';
import { addRepresentationHooks } from './common/hooks/representation.hooks.js';
import { addRequestHooks, requestIdOf } from './common/hooks/request.hooks.js';
import { addProbesOnlyHook } from './common/hooks/role.hooks.js';
import { addSecurityHooks } from './common/hooks/security.hooks.js';
import { RequestLimits } from './common/limits/request-limits.js';
import type { AppConfig } from './shared/config/app-config.js';
import { Clock } from './shared/libs/clock.js';
import { type Logger, NestLogger } from './shared/services/logging/logger.js';
import { QueueDriver } from './workers/drivers/queue.driver.js';

/** Routes outside of /api. */
const UNPREFIXED = [
  ...['health', 'health/live', 'health/ready', 'health/startup', 'ping', 'problems', 'problems/:code'],
  'docs/openapi.json',
];

/** Builds the application, ready to listen, and to run jobs (`startAllMicroservices`) where its role says so. */
export async function createApp(
  config: AppConfig,
  databaseUrl: string,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const problems = new ProblemFilter(logger);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.for(config, databaseUrl, logger),
    createAdapter(config, problems),
    {
      logger: new NestLogger(logger),
      bodyParser: false,
      abortOnError: false,
    },
  );
  const fastify = app.getHttpAdapter().getInstance();
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response)); // Node's own 417 is no problem+json
  addRequestHooks(fastify, logger, app.get(Clock));
  addSecurityHooks(fastify, '/docs');
  if (config.role === 'worker') addProbesOnlyHook(fastify);
  if (config.http.corsOrigins.length > 0) await app.register(cors, corsOptions(config));
  addTokenHook(fastify, app.get(JwtStrategy, { strict: false }), app.get(Principals, { strict: false }));
  addLimitHooks(fastify, app.get(RequestLimits));
  addDeadlineHooks(fastify, config.http.requestTimeout);
  await addBodyHooks(fastify, config.http.bodyTimeout);
  addRepresentationHooks(fastify);
  app.setGlobalPrefix('api', { exclude: UNPREFIXED.map((path) => ({ path, method: RequestMethod.ALL })) });
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: [VERSION_NEUTRAL, '1'] });
  app.useGlobalFilters(problems);
  addDocs(app, config);
  if (config.role !== 'api') app.connectMicroservice({ strategy: app.get(QueueDriver) });
  return app;
}

/** Only the listed origins, exactly; without a list no browser of another origin reads an answer. */
function corsOptions(config: AppConfig): FastifyCorsOptions {
  return {
    origin: [...config.http.corsOrigins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    credentials: true,
    exposedHeaders: [
      ...['ETag', 'Link', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id'],
      ...['Tus-Extension', 'Tus-Max-Size', 'Tus-Resumable', 'Tus-Version', 'Upload-Expires', 'Upload-Length'],
      ...['Upload-Metadata', 'Upload-Offset', 'Content-Location', 'X-File-Id'],
      ...['Accept-Ranges', 'Content-Disposition', 'Content-Range'],
    ],
    maxAge: 600,
  };
}

/** Fastify waits for ever by default; every wait here has an end. Times in milliseconds. */
function createAdapter(config: AppConfig, problems: ProblemFilter): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: config.http.bodyLimitBytes,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000, // above the idle timeout of usual load balancers, who must be the first to close
    requestTimeout: 3_600_000, // the longest upload at one go; JSON bodies have their own deadline, stalled ones too
    maxRequestsPerSocket: 0,
    http: {
      headersTimeout: 5_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16_384,
      requireHostHeader: false,
    },
    trustProxy: config.http.trustProxy.length > 0 ? [...config.http.trustProxy] : false,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what Kubernetes still routes here while it drains is answered
    requestIdHeader: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 128, ignoreTrailingSlash: false, caseSensitive: true },
    logger: false,
    skipMiddie: true,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) => {
      void reply.header('x-request-id', request.id);
      problems.answer(error, request, reply);
    },
    clientErrorHandler: answerClientError,
  });
}

/** What is not even HTTP, or too slow or too large for it: there is no request to speak of, only a socket. */
function answerClientError(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
  const status = { HPE_HEADER_OVERFLOW: 431, ERR_HTTP_REQUEST_TIMEOUT: 408 }[error.code ?? ''] ?? 400;
  const problem = toAppError({ statusCode: status });
  const id = requestIdOf({ headers: {} });
  const body = JSON.stringify(toProblem(problem, { id, url: '', method: '', ip: socket.remoteAddress ?? '' }));
  socket.end(
    `HTTP/1.1 ${status} ${status}\r\nContent-Type: ${PROBLEM_JSON}\r\nX-Request-Id: ${id}\r\nConnection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
