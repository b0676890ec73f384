// The only place that answers errors: it sends problem+json (RFC 9457) and writes the log line.
import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AppError } from '../../../shared/libs/app-error.js';
import type { Logger } from '../../../shared/logging/logger.js';
import { runningRequest } from '../../../shared/logging/request-context.js';
import type { ProblemDto } from '../../dto/problem.dto.js';
import { routeOf } from '../fastify-request.js';
import type { UncountedLines } from '../hooks/uncounted-lines.js';
import { announceClose } from '../hooks/unread-body.js';
import { HttpErrors } from '../http.errors.js';
import { toAppError } from './to-problem.js';

export const PROBLEM_JSON = 'application/problem+json; charset=utf-8';

/** Every 401 must contain a challenge (RFC 9110, 15.5.2). */
const CHALLENGE = { 'www-authenticate': 'Bearer' };

@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly logger: Logger,
    private readonly uncounted: UncountedLines,
  ) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  private answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    // A cancelled request has already been answered; the failure of its handler is expected then.
    if (reply.sent && runningRequest()?.cancelled) return;
    const notFound = request.is404 && (thrown as { status?: unknown }).status === 404;
    const error = notFound ? HttpErrors.ROUTE_NOT_FOUND(request.method, pathOf(request.url)) : toAppError(thrown);
    this.log(error, thrown, request);
    if (reply.sent) return;
    announceClose(request, reply);
    void reply
      .code(error.status)
      .headers({ 'cache-control': 'no-store', ...(error.status === 401 && CHALLENGE), ...error.headers })
      .type(PROBLEM_JSON)
      .send(JSON.stringify(toProblem(error, request)));
  }

  private log(error: AppError, thrown: unknown, request: FastifyRequest): void {
    if (error.level !== 'error' && !this.uncounted.writes(request)) return;
    const cause = error.status >= 500 ? { err: thrown } : {}; // a refusal needs no stack
    const where = `${error.code} on ${request.method} ${routeOf(request)}`;
    this.logger[error.level]({ requestId: request.id, code: error.code, ...cause }, where);
  }
}

/** Builds the body of an error response. It contains only the path, because a query may contain secrets. */
export function toProblem(
  error: AppError,
  request: Pick<FastifyRequest, 'id' | 'originalUrl' | 'method' | 'ip' | 'user' | 'claims'>,
): ProblemDto {
  const user = request.user?.id ?? request.claims?.sub; // from the token if no guard has run
  return {
    type: `/problems/${error.code}`,
    title: STATUS_CODES[error.status] ?? 'Error',
    status: error.status,
    detail: error.message,
    code: error.code,
    requestId: request.id,
    statusCode: error.status,
    message: error.message,
    ...(error.errors.length > 0 && { errors: error.errors }),
    ...error.extensions,
    additionalInfo: {
      route: pathOf(request.originalUrl),
      method: request.method,
      ip: request.ip,
      ...(user !== undefined && { user }),
    },
  };
}

function pathOf(url: string): string {
  const end = url.indexOf('?');
  return end === -1 ? url : url.slice(0, end);
}
