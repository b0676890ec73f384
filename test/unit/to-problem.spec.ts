// Every thrown value becomes one catalogue error: client errors as 4xx, server errors as 5xx without details.
import { describe, expect, it } from '@jest/globals';
import { ForbiddenException, HttpException, NotFoundException, ServiceUnavailableException } from '@nestjs/common';
import { errorCodes } from 'fastify';
import pg from 'pg';
import { QueryFailedError } from 'typeorm';
import { toProblem } from '../../src/common/http/filters/problem.filter.js';
import { toAppError } from '../../src/common/http/filters/to-problem.js';
import { HttpErrors } from '../../src/common/http/http.errors.js';
import { parseStrictJson } from '../../src/shared/libs/strict-json.js';
import { SemaphoreFullError } from '../../src/shared/libs/semaphore.js';

function sqlError(code: string): pg.DatabaseError {
  const detail = 'Key (email)=(ada@example.com) already exists.';
  return Object.assign(new pg.DatabaseError('secret table, secret column', 1, 'error'), { code, detail });
}

const codeOf = (thrown: unknown) => toAppError(thrown).code;
const words = (thrown: unknown) => JSON.stringify([toAppError(thrown), toAppError(thrown).message]);

describe('the SQLSTATE of an error decides its code', () => {
  it.each([
    ['VALIDATION_FAILED', ['22021', '22P02', '22P05', '22003', '22001', '22007', '22008', '2201W', '22012', '54001']],
    ['CONFLICT', ['23505', '23503', '40001', '40P01']],
    ['UNPROCESSABLE', ['23514', '23502']],
    ['SERVICE_UNAVAILABLE', ['55P03', '57014', '25006', '25P03', '42P01', '53100', '53200', '53300']],
    [
      'SERVICE_UNAVAILABLE',
      ['3D000', '28000', '28P01', '57P01', '57P02', '57P03', '57P04', '57P05', '08000', '08003', '08006', '08P01'],
    ],
    ['INTERNAL_ERROR', ['42601', '42703', '42883', '42501', '25P02', '0A000', 'XX000', 'P0001', '21000']],
  ])('%s: %j', (code, states) => {
    for (const state of states) {
      const error = sqlError(state);
      expect([state, codeOf(error)]).toEqual([state, code]);
      expect([state, codeOf(new QueryFailedError('SELECT secret', ['value'], error))]).toEqual([state, code]);
      expect(words(error)).not.toMatch(/secret|ada@/);
    }
  });
});

const PASSING = [
  Object.assign(new Error('connect ECONNREFUSED 10.0.0.7:5432'), { code: 'ECONNREFUSED' }),
  new Error('Connection terminated unexpectedly'),
  new Error('timeout exceeded when trying to connect'),
  new Error('Query read timeout'),
  new SemaphoreFullError('queue is full'),
  new ServiceUnavailableException('pool of 10.0.0.7'),
  new errorCodes.FST_ERR_HANDLER_TIMEOUT(30_000, '/api/tasks'),
];

it.each(PASSING.map((thrown) => [thrown.message, thrown] as const))(
  'a temporary failure becomes 503 with Retry-After: %s',
  (_words, thrown) => {
    expect(toAppError(thrown)).toMatchObject({
      code: 'SERVICE_UNAVAILABLE',
      status: 503,
      headers: { 'Retry-After': '1' },
    });
    expect(words(thrown)).not.toMatch(/10\.0\.0\.7|queue|api/);
  },
);

describe('an error of Fastify', () => {
  it.each([
    ['BAD_REQUEST', 400, new errorCodes.FST_ERR_CTP_INVALID_CONTENT_LENGTH()],
    ['BAD_REQUEST', 400, new errorCodes.FST_ERR_BAD_URL('/api/tasks?token=s3same%')],
    ['BAD_REQUEST', 400, new errorCodes.FST_ERR_CTP_EMPTY_JSON_BODY()],
    ['URI_TOO_LONG', 414, new errorCodes.FST_ERR_MAX_PARAM_LENGTH('/api/tasks/s3same')],
    ['PAYLOAD_TOO_LARGE', 413, new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE()],
    ['UNSUPPORTED_MEDIA_TYPE', 415, new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE('text/s3same')],
    ['INTERNAL_ERROR', 500, new errorCodes.FST_ERR_REP_INVALID_PAYLOAD_TYPE('s3same')],
  ])('becomes %s, %i: %s', (code, status, thrown) => {
    expect(toAppError(thrown)).toMatchObject({ code, status });
    expect(words(thrown)).not.toContain('s3same');
  });

  it.each([
    [400, 'BAD_REQUEST', 400],
    [401, 'UNAUTHENTICATED', 401],
    [408, 'REQUEST_TIMEOUT', 408],
    [413, 'PAYLOAD_TOO_LARGE', 413],
    [414, 'URI_TOO_LONG', 414],
    [415, 'UNSUPPORTED_MEDIA_TYPE', 415],
    [417, 'BAD_REQUEST', 400],
    [431, 'HEADERS_TOO_LARGE', 431],
    [500, 'INTERNAL_ERROR', 500],
    [502, 'INTERNAL_ERROR', 500],
    [503, 'SERVICE_UNAVAILABLE', 503],
    [200, 'INTERNAL_ERROR', 500],
    [302, 'INTERNAL_ERROR', 500],
    [999, 'INTERNAL_ERROR', 500],
  ])('of the status %i becomes %s with the status %i', (statusCode, code, status) => {
    expect(toAppError({ statusCode })).toMatchObject({ code, status });
    expect(toAppError(new HttpException('', statusCode))).toMatchObject({ code, status });
  });
});

it('catalogue errors stay unchanged', () => {
  const error = HttpErrors.FORBIDDEN('users:read').withHeader('X', '1');
  expect(toAppError(error)).toBe(error);
});

it('refused JSON has the reason in its problem', () => {
  let thrown: unknown;
  try {
    parseStrictJson(Buffer.from('{'));
  } catch (error) {
    thrown = error;
  }
  expect(toAppError(thrown)).toMatchObject({
    code: 'INVALID_JSON',
    status: 400,
    message: 'The body is not valid JSON.',
  });
});

it.each([
  new Error('secret'),
  new TypeError("Cannot read properties of undefined (reading 'secret')"),
  Object.assign(new Error('secret'), { code: 'SECRT' }),
  Object.assign(new Error('secret'), { statusCode: '404' }),
  'secret',
  { secret: 1 },
  42,
  null,
  undefined,
])('an unexpected value becomes 500 without details: %p', (thrown) => {
  expect(toAppError(thrown)).toMatchObject({ code: 'INTERNAL_ERROR', status: 500, level: 'error' });
  expect(words(thrown)).not.toContain('secret');
});

it('other exceptions of Nest never become a 5xx', () => {
  for (const thrown of [new ForbiddenException(), new NotFoundException()]) {
    expect(toAppError(thrown).status).toBeGreaterThanOrEqual(400);
    expect(toAppError(thrown).status).toBeLessThan(500);
  }
});

describe('the problem response', () => {
  const request = { id: 'r-1', originalUrl: '/api/tasks?token=s3same', method: 'PATCH', ip: '203.0.113.7' };
  const user = { id: 'u-1', key: '4711', role: 'USER', sessionId: 's-1' } as const;

  it('is a problem of RFC 9457 with additional members, and never repeats a query string', () => {
    expect(toProblem(HttpErrors.FORBIDDEN('users:read'), { ...request, user })).toEqual({
      type: '/problems/FORBIDDEN',
      title: 'Forbidden',
      status: 403,
      detail: 'This needs the permission users:read.',
      code: 'FORBIDDEN',
      requestId: 'r-1',
      statusCode: 403,
      message: 'This needs the permission users:read.',
      additionalInfo: { route: '/api/tasks', method: 'PATCH', ip: '203.0.113.7', user: 'u-1' },
    });
  });

  it('has fields and extensions only where they exist, and no user without authentication', () => {
    const field = { field: 'title', rule: 'isString', message: 'title must be a string' };
    const error = HttpErrors.VALIDATION_FAILED('title must be a string')
      .withFields([field])
      .withExtension('details', { a: 1 });
    const problem = toProblem(error, { ...request, user: undefined });
    expect(problem).toMatchObject({ errors: [field], details: { a: 1 } });
    expect(Object.keys(problem.additionalInfo)).toEqual(['route', 'method', 'ip']);
  });
});
