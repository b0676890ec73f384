// Converts any thrown value into an AppError that the client may see.
import { HttpException } from '@nestjs/common';
import { AppError } from '../../../shared/libs/app-error.js';
import { SemaphoreFullError } from '../../../shared/libs/semaphore.js';
import { StrictJsonError } from '../../../shared/libs/strict-json.js';
import { ChangeTooLateError } from '../../../shared/cache/change-deadline.js';
import { isConnectionFailure, sqlStateOf } from '../../../shared/database/sql-state.js';
import { HttpErrors } from '../http.errors.js';

/** Pure: equal errors become equal responses. An unknown error becomes INTERNAL_ERROR and reveals nothing. */
export function toAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  if (error instanceof StrictJsonError) return HttpErrors.INVALID_JSON(error.message);
  const state = sqlStateOf(error);
  if (state !== undefined) return fromSqlState(state) ?? HttpErrors.INTERNAL_ERROR();
  if (isConnectionFailure(error) || error instanceof SemaphoreFullError || error instanceof ChangeTooLateError)
    return unavailable();
  const status = error instanceof HttpException ? error.getStatus() : statusOf(error);
  return fromStatus(status, error);
}

/** Maps an SQLSTATE (PostgreSQL manual, appendix A). Our own bugs stay 500 (undefined column, syntax error, …). */
function fromSqlState(state: string): AppError | undefined {
  if (state === '54001') return HttpErrors.VALIDATION_FAILED('A value is nested too deeply.');
  if (state.startsWith('22')) return HttpErrors.VALIDATION_FAILED('A value is outside of what the database can hold.');
  if (['23505', '23503', '40001', '40P01'].includes(state)) return HttpErrors.CONFLICT();
  if (state === '23514' || state === '23502') return HttpErrors.UNPROCESSABLE();
  // lock_not_available, query_canceled, read_only_sql_transaction, insufficient resources, operator intervention,
  // connection exceptions, idle transaction ended, missing database or refused login; undefined_table: migrations have not run.
  if (['55P03', '57014', '25006', '25P03', '3D000', '42P01'].includes(state) || /^(53|57P|08|28)/.test(state))
    return unavailable();
  return undefined;
}

export function unavailable(): AppError {
  return HttpErrors.SERVICE_UNAVAILABLE().withHeader('Retry-After', '1');
}

/** Errors of Fastify and Nest have a status; the messages come from our own catalogue. */
function fromStatus(status: number, error: unknown): AppError {
  const detail = detailOf(error);
  if (status === 400) return HttpErrors.BAD_REQUEST(detail);
  if (status === 401) return HttpErrors.UNAUTHENTICATED('A valid access token is needed.');
  if (status === 408) return HttpErrors.REQUEST_TIMEOUT();
  if (status === 413) return HttpErrors.PAYLOAD_TOO_LARGE();
  if (status === 414) return HttpErrors.URI_TOO_LONG();
  if (status === 415) return HttpErrors.UNSUPPORTED_MEDIA_TYPE();
  if (status === 431) return HttpErrors.HEADERS_TOO_LARGE();
  if (status === 503) return unavailable();
  if (status > 400 && status < 500) return HttpErrors.BAD_REQUEST(detail);
  return HttpErrors.INTERNAL_ERROR();
}

function detailOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (code === 'FST_ERR_BAD_URL') return 'The path is not validly percent-encoded.'; // Fastify's message repeats the query
  return error instanceof Error ? error.message : 'The request is not well-formed HTTP.';
}

function statusOf(error: unknown): number {
  const status = (error as { statusCode?: unknown } | null | undefined)?.statusCode;
  return typeof status === 'number' ? status : 500;
}
