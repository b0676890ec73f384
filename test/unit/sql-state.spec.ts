// The facts that are read from errors of pg and TypeORM.
import { describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { QueryFailedError } from 'typeorm';
import { constraintOf, isConnectionFailure, sqlStateOf } from '../../src/shared/database/sql-state.js';

function pgError(code: string, constraint?: string): pg.DatabaseError {
  return Object.assign(new pg.DatabaseError('refused', 1, 'error'), { code, constraint });
}

const systemError = (code: string) => Object.assign(new Error(code), { code });

describe.each([
  ['of pg', (error: Error) => error],
  ['wrapped by TypeORM', (error: Error) => new QueryFailedError('SELECT 1', [], error)],
])('database errors %s', (_how, wrap) => {
  it('contain the SQLSTATE and the constraint', () => {
    expect(sqlStateOf(wrap(pgError('23505')))).toBe('23505');
    expect(constraintOf(wrap(pgError('23505', 'user_email')))).toBe('user_email');
    expect(constraintOf(wrap(pgError('40001')))).toBeUndefined();
    expect(isConnectionFailure(wrap(pgError('23505')))).toBe(false);
  });

  it('distinguish a failed connection from a refused statement', () => {
    for (const code of ['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']) {
      expect(isConnectionFailure(wrap(systemError(code)))).toBe(true);
      expect(sqlStateOf(wrap(systemError(code)))).toBeUndefined();
    }
    expect(isConnectionFailure(wrap(new Error('Connection terminated unexpectedly')))).toBe(true);
    expect(isConnectionFailure(wrap(new Error('timeout exceeded when trying to connect')))).toBe(true);
  });
});

it.each([undefined, null, 'text', {}, { code: 42 }])('%j has no SQLSTATE', (thrown) => {
  expect(sqlStateOf(thrown)).toBeUndefined();
  expect(constraintOf(thrown)).toBeUndefined();
  expect(isConnectionFailure(thrown)).toBe(false);
});
