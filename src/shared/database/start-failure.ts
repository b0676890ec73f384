// What a user or an operator can mend is told in one line; anything else is a fault of ours, with its stack.
import { ConfigError } from '../config/env.schema.js';
import { DatabaseRefusedError } from './database-refusal.js';
import { EmbeddedPostgresError } from './embedded-postgres.js';
import { isConnectionFailure } from './sql-state.js';

/** Undefined: not one of these. */
export function inOneLine(error: unknown): string | undefined {
  if (error instanceof ConfigError || error instanceof EmbeddedPostgresError || error instanceof DatabaseRefusedError)
    return error.message;
  return isConnectionFailure(error) ? `The database does not answer: ${(error as Error).message}` : undefined;
}
