// Builds the HTTP application in the order in which a request passes through it; used by the server and the tests.
import cors, { type FastifyCorsOptions } from '@fastify/cors';
import { RequestMethod, VERSION_NEUTRAL, VersioningType } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { addDocs } from './app.docs.js';
import { AppModule } from './app.module.js';
import { ProblemFilter } from './common/http/filters/problem.filter.js';
import { addChunkHook } from './common/http/hooks/body-chunks.js';
import { addUploadLimit } from './common/http/hooks/upload-limit.js';
import { addBodyHooks } from './common/http/hooks/body.hooks.js';
import { addTokenHook } from './auth/token.hooks.js';
import { JwtStrategy } from './auth/jwt.strategy.js';
import { Principals } from './auth/principals.js';
import { answerClientError } from './common/http/hooks/client-error.js';
import { limitConnections } from './common/http/hooks/connection-limits.js';
import { addDeadlineHooks } from './common/http/hooks/deadline.hooks.js';
import { addLimitHooks } from './common/http/hooks/limit.hooks.js';
import { addMemoryAnswers } from './common/http/hooks/memory-answers.hooks.js';
import { addMethodHooks } from './common/http/hooks/method.hooks.js';
import { limitPipelining } from './common/http/hooks/pipelining.js';
import { addProxyWarning } from './common/http/hooks/proxy.hooks.js';
import { addRepresentationHooks } from './common/http/hooks/representation.hooks.js';
import { addContextHook, addRequestHooks, requestIdOf } from './common/http/hooks/request.hooks.js';
import { addProbesOnlyHook } from './common/http/hooks/role.hooks.js';
import { addSecurityHooks } from './common/http/hooks/security.hooks.js';
import { addTargetHook, MAX_HEADERS, rerouteUnreadable, rewriteTarget } from './common/http/hooks/target.hooks.js';
import { UncountedLines } from './common/http/hooks/uncounted-lines.js';
import { addUnreadAnswersHook } from './common/http/hooks/unread-answers.js';
import { routeUpgrades } from './common/http/hooks/upgrades.js';
import { RequestLimits } from './common/http/limits/request-limits.js';
import { HttpSettings } from './common/http/http.settings.js';
import type { AppConfig } from './shared/config/app-config.js';
import { ProcessSettings } from './shared/config/process.settings.js';
import { Clock } from './shared/libs/clock.js';
import { type Logger, NestLogger } from './shared/logging/logger.js';
import { QueueDriver } from './workers/drivers/queue.driver.js';

/** Routes outside /api. */
const UNPREFIXED = [
  ...['health', 'health/live', 'health/ready', 'health/startup', 'ping', 'problems', 'problems/:code'],
  ...['docs/openapi.json', 'ws/updates'],
];

/** Returns the application, ready to listen, and to run jobs (`startAllMicroservices`) if its role includes that. */
export async function createApp(
  config: AppConfig,
  databaseUrl: string,
  logger: Logger,
): Promise<NestFastifyApplication> {
  const http = config.get(HttpSettings);
  const { role } = config.get(ProcessSettings);
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.for(config, databaseUrl, logger),
    createAdapter(http),
    {
      logger: new NestLogger(logger),
      bodyParser: false,
      abortOnError: false,
    },
  );
  const fastify = app.getHttpAdapter().getInstance();
  fastify.server.maxHeadersCount = MAX_HEADERS; // otherwise 2,000, which take half a millisecond
  // Node's own 417 is no problem+json
  fastify.server.on('checkExpectation', (request, response) => fastify.server.emit('request', request, response));
  if (role !== 'worker') routeUpgrades(fastify.server);
  const isBusy = limitPipelining(fastify.server, http.trustProxy, logger, app.get(Clock));
  limitConnections(fastify.server, http, isBusy, logger, app.get(Clock));
  addMethodHooks(fastify);
  const uncounted = new UncountedLines(logger, app.get(Clock));
  addRequestHooks(fastify, logger, app.get(Clock), uncounted);
  addChunkHook(fastify);
  addProxyWarning(fastify, http, logger, app.get(Clock));
  addSecurityHooks(fastify, '/docs');
  if (role === 'worker') addProbesOnlyHook(fastify);
  if (http.corsOrigins.length > 0) await app.register(cors, corsOptions(http));
  addTokenHook(fastify, app.get(JwtStrategy, { strict: false }), app.get(Principals, { strict: false }));
  addLimitHooks(fastify, app.get(RequestLimits));
  addTargetHook(fastify);
  const { bodyTimeout, minTransferRate, requestTimeout } = http;
  addDeadlineHooks(fastify, requestTimeout, { bytesPerSecond: minTransferRate, pauseMs: bodyTimeout });
  await addBodyHooks(fastify, { timeoutMs: bodyTimeout, minBytes: Math.ceil((minTransferRate * bodyTimeout) / 1_000) });
  addUploadLimit(fastify, http.uploadsPerUser);
  addRepresentationHooks(fastify);
  addUnreadAnswersHook(fastify);
  addMemoryAnswers(fastify, (controller) => app.get(controller, { strict: false }));
  addContextHook(fastify);
  app.setGlobalPrefix('api', { exclude: UNPREFIXED.map((path) => ({ path, method: RequestMethod.ALL })) });
  app.enableVersioning({ type: VersioningType.URI, defaultVersion: [VERSION_NEUTRAL, '1'] });
  app.useGlobalFilters(new ProblemFilter(logger, uncounted));
  addDocs(app, config);
  if (role !== 'api') app.connectMicroservice({ strategy: app.get(QueueDriver) });
  return app;
}

/** Allows only the listed origins, by exact match; without a list no other origin may read a response in a browser. */
function corsOptions({ corsOrigins }: HttpSettings): FastifyCorsOptions {
  return {
    origin: [...corsOrigins],
    methods: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    credentials: true,
    preflightContinue: true, // continue to the OPTIONS route, which sets Allow
    strictPreflight: false, // OPTIONS without preflight headers is a plain HTTP OPTIONS
    exposedHeaders: [
      ...['Allow', 'ETag', 'Link', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'X-Request-Id'],
      ...['Tus-Extension', 'Tus-Max-Size', 'Tus-Resumable', 'Tus-Version', 'Upload-Expires', 'Upload-Length'],
      ...['Upload-Metadata', 'Upload-Offset', 'Content-Location', 'X-File-Id'],
      ...['Accept-Ranges', 'Content-Disposition', 'Content-Range'],
    ],
    maxAge: 600,
  };
}

/** Fastify waits without limits by default; here every wait has a limit. Times in milliseconds. */
function createAdapter(http: HttpSettings): FastifyAdapter {
  return new FastifyAdapter({
    bodyLimit: http.bodyLimitBytes,
    connectionTimeout: 60_000,
    keepAliveTimeout: 65_000, // longer than the idle timeout of usual load balancers, which must close first
    requestTimeout: 3_600_000, // the longest upload in one request; JSON bodies and stalled uploads have their own limits
    maxRequestsPerSocket: 0,
    http: {
      headersTimeout: 5_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16_384,
      requireHostHeader: false,
    },
    trustProxy: http.trustProxy.length > 0 ? [...http.trustProxy] : false,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // requests that Kubernetes still routes here while draining are answered
    requestIdHeader: false,
    genReqId: requestIdOf,
    routerOptions: { maxParamLength: 128, ignoreTrailingSlash: false, caseSensitive: true },
    logger: false,
    skipMiddie: true,
    rewriteUrl: rewriteTarget,
    frameworkErrors: rerouteUnreadable,
    clientErrorHandler: (error, socket) => answerClientError(http.corsOrigins, error, socket),
  });
}
