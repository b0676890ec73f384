// The application's pino logger, also used by Nest: JSON lines in production, readable lines in development.
import type { LoggerService } from '@nestjs/common';
import { type DestinationStream, destination, pino, type Logger } from 'pino';
import pinoPretty from 'pino-pretty';
import type { AppConfig } from '../config/app-config.js';
import { LoggingSettings } from './logging.settings.js';
import { redactSecrets } from './redact.js';
import { requestContext } from './request-context.js';

export type { Logger } from 'pino';

/** Injection token of the root logger. */
export const LOGGER = Symbol('LOGGER');

/** `out`: destination of the lines; default is standard output, briefly buffered for JSON (`flush` writes the buffer). */
export function createLogger(config: AppConfig, out: DestinationStream = output(config)): Logger {
  return pino(
    {
      level: config.get(LoggingSettings).level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.epochTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => requestContext.getStore() ?? {},
      mixinMergeStrategy: Object.assign,
      serializers: { err: serializeError },
      hooks: { streamWrite: redactSecrets },
    },
    out,
  );
}

function output(config: AppConfig): DestinationStream {
  if (config.get(LoggingSettings).format === 'pretty')
    return pinoPretty({
      sync: true,
      singleLine: true,
      ignore: 'requestId',
      messageFormat: '{msg}{if requestId} ({requestId}){end}',
      translateTime: 'SYS:HH:MM:ss.l',
    });
  return destination({ sync: false, minLength: 16_000, periodicFlush: 500 });
}

/** Name, message, code and stack only: TypeORM and pg attach statements, parameters and row details to their errors. */
function serializeError(error: Error & { code?: unknown; driverError?: { code?: unknown } }): Record<string, unknown> {
  if (!(error instanceof Error)) return { message: String(error) };
  const cause = error.cause instanceof Error ? { cause: serializeError(error.cause) } : {};
  return {
    type: error.name,
    message: error.message,
    code: error.code ?? error.driverError?.code,
    stack: error.stack,
    ...cause,
  };
}

/** Writes Nest's own lines, with the module name as `context`, to the same stream. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, context?: string): void {
    this.logger.debug({ context }, String(message)); // our own start has its log lines; those of Nest are for debugging
  }

  warn(message: unknown, context?: string): void {
    this.logger.warn({ context }, String(message));
  }

  debug(message: unknown, context?: string): void {
    this.logger.debug({ context }, String(message));
  }

  error(message: unknown, stackOrContext?: string, context?: string): void {
    if ((context ?? stackOrContext) === 'NestApplication') return this.debug(message); // a port in use: main.ts reports it
    if (message instanceof Error)
      this.logger.error({ err: message, context: context ?? stackOrContext }, message.message);
    else
      this.logger.error(
        { context: context ?? stackOrContext, stack: context ? stackOrContext : undefined },
        String(message),
      );
  }
}

/** Writes the buffered lines. */
export function flush(logger: Logger): Promise<void> {
  return new Promise((resolve) => logger.flush(() => resolve()));
}
