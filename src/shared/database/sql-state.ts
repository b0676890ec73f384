// Reads PostgreSQL's SQLSTATE and constraint name from an error that TypeORM or pg threw.

interface PgErrorLike {
  code?: unknown;
  constraint?: unknown;
  driverError?: PgErrorLike;
}

/** Returns the five-character SQLSTATE (PostgreSQL manual, appendix A), or undefined if the database did not answer. */
export function sqlStateOf(error: unknown): string | undefined {
  const source = unwrap(error);
  return typeof source?.code === 'string' && /^(?=.*\d)[0-9A-Z]{5}$/.test(source.code) ? source.code : undefined;
}

/** Returns the violated constraint or unique index, if PostgreSQL names one. */
export function constraintOf(error: unknown): string | undefined {
  const source = unwrap(error);
  return typeof source?.constraint === 'string' ? source.constraint : undefined;
}

/** True when the connection to the database failed, not a statement on it. */
export function isConnectionFailure(error: unknown): boolean {
  const source = unwrap(error);
  if (
    typeof source?.code === 'string' &&
    /^(ECONN|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)/.test(source.code)
  )
    return true;
  return error instanceof Error && PG_CLIENT_FAILURES.some((text) => error.message.includes(text));
}

/** pg reports these errors without a code. */
const PG_CLIENT_FAILURES = [
  'Connection terminated',
  'timeout exceeded when trying to connect',
  'timeout expired',
  'Query read timeout',
  'Client has encountered a connection error',
  'Client was closed',
  'Driver not Connected',
];

function unwrap(error: unknown): PgErrorLike | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const outer = error as PgErrorLike;
  return outer.driverError ?? outer;
}
