// Explains in one line, with the cure, why a database cannot be used, by error code.

/** A problem that the operator has to fix: shown as one line without a stack. */
export class DatabaseRefusedError extends Error {}

/** The address of the failed connection, without the password. */
interface Target {
  host: string;
  port: string;
  user: string;
  database: string;
}

type Line = (target: Target, said: string) => string;

const unreachable: Line = ({ host, port }, said) =>
  `The database at ${host}:${port} cannot be reached (${said}): check the network between, DATABASE_HOST and DATABASE_PORT (or DATABASE_URL).`;

const untrusted: Line = ({ host }, said) =>
  `The certificate of ${host} is not trusted (${said}): name the file of its authority in NODE_EXTRA_CA_CERTS, or encrypt without checking it with DATABASE_SSL=require.`;

/** SQLSTATEs (PostgreSQL manual, appendix A), and the codes of Node's sockets and TLS. */
const LINES: Record<string, Line> = {
  ECONNREFUSED: ({ host, port }) =>
    `No PostgreSQL listens on ${host}:${port} (ECONNREFUSED): start it, or correct DATABASE_HOST and DATABASE_PORT (or DATABASE_URL).`,
  ENOTFOUND: ({ host }) =>
    `The database's host ${host} is unknown (ENOTFOUND): correct DATABASE_HOST (or DATABASE_URL).`,
  EAI_AGAIN: ({ host }) =>
    `The database's host ${host} cannot be looked up (EAI_AGAIN): no name server answers, or the name is wrong in DATABASE_HOST (or DATABASE_URL).`,
  ETIMEDOUT: unreachable,
  EHOSTUNREACH: unreachable,
  ENETUNREACH: unreachable,
  ECONNRESET: unreachable,
  '3D000': ({ host, port, user, database }) =>
    `The database "${database}" does not exist on ${host}:${port}: createdb -h ${host} -p ${port} -U ${user} ${database}, or correct DATABASE_NAME (or DATABASE_URL).`,
  '28P01': ({ user, host, port }) =>
    `${host}:${port} refuses the password of user "${user}": correct DATABASE_USER and DATABASE_PASSWORD (or DATABASE_URL).`,
  '28000': ({ host, port }, said) =>
    `${host}:${port} refuses the login (${said}): create the role or correct DATABASE_USER, allow it in the server's pg_hba.conf, or set DATABASE_SSL=require where the server wants encryption.`,
  '42501': ({ user, database }, said) =>
    `User "${user}" lacks a right in database "${database}" (${said}): as a superuser, ALTER DATABASE "${database}" OWNER TO "${user}", or GRANT USAGE, CREATE ON SCHEMA public TO "${user}".`,
  '53300': ({ host, port }, said) =>
    `${host}:${port} has no connection left (${said}): raise max_connections there, or lower DATABASE_POOL_SIZE or the number of processes.`,
  '57P03': ({ host, port }, said) => `${host}:${port} does not take connections yet (${said}): try again in a moment.`,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: ({ host }, said) =>
    `The certificate of the database is for another name than ${host} (${said}): use a name of the certificate in DATABASE_HOST (or DATABASE_URL), or DATABASE_SSL=require.`,
};

/** pg's own errors have no code, so their messages are matched. */
const SAID: ReadonlyArray<readonly [RegExp, Line]> = [
  [
    /does not support SSL/,
    ({ host, port }) =>
      `PostgreSQL at ${host}:${port} does not speak TLS: set ssl=on there, or DATABASE_SSL=off where the network in between is trusted.`,
  ],
  [
    /password must be/,
    ({ user, host, port }) =>
      `${host}:${port} wants a password of user "${user}": set DATABASE_PASSWORD (or put it into DATABASE_URL).`,
  ],
  [/timeout|terminated/i, unreachable],
];

/** Errors that pass without action while the database is still starting. */
const PASSING = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ECONNRESET', 'ETIMEDOUT', '57P03']);

/** True when a retry may soon succeed. */
export function mayPass(error: unknown): boolean {
  return PASSING.has(codeOf(error) ?? '') || SAID.at(-1)?.[0].test(messageOf(error)) === true;
}

/** Returns the refusal for a known error, else the error itself. */
export function refusalOf(error: unknown, url: string): unknown {
  const said = messageOf(error);
  const line = LINES[codeOf(error) ?? ''] ?? SAID.find(([pattern]) => pattern.test(said))?.[1];
  return line ? new DatabaseRefusedError(line(targetOf(url), said), { cause: error }) : error;
}

export function targetOf(url: string): Target {
  const { hostname, port, username, pathname, searchParams } = new URL(url);
  const user = decodeURIComponent(username) || 'postgres';
  return {
    host: hostname || searchParams.get('host') || 'localhost',
    port: port || '5432',
    user,
    database: decodeURIComponent(pathname.slice(1)) || user,
  };
}

interface Failure {
  code?: unknown;
  message?: string;
  /** A host name with several addresses fails with an AggregateError, whose own message is empty. */
  errors?: readonly Failure[];
}

function codeOf(error: unknown): string | undefined {
  const code = (error as Failure | null | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}

function messageOf(error: unknown): string {
  const { message, errors } = (error ?? {}) as Failure;
  return errors?.[0]?.message ?? message ?? '';
}
