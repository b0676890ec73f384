// Separates start failures that the operator can fix (one line) from bugs (with a stack).
import { ConfigError } from '../config/config-error.js';
import { DatabaseRefusedError } from './database-refusal.js';
import { EmbeddedPostgresError } from './embedded-postgres.js';
import { isConnectionFailure } from './sql-state.js';

/** Returns a one-line message, or undefined when the failure is a bug. */
export function inOneLine(error: unknown): string | undefined {
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError || error instanceof DatabaseRefusedError)
    return error.message;
  return isConnectionFailure(error) ? `The database does not answer: ${(error as Error).message}` : undefined;
}
