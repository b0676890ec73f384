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

type Explanation = (target: Target, reason: string) => string;

const unreachable: Explanation = ({ host, port }, reason) =>
  `The database at ${host}:${port} cannot be reached (${reason}): check the network between, DATABASE_HOST and DATABASE_PORT (or DATABASE_URL).`;

const untrusted: Explanation = ({ host }, reason) =>
  `The certificate of ${host} is not trusted (${reason}): name the file of its authority in NODE_EXTRA_CA_CERTS, or encrypt without checking it with DATABASE_SSL=require.`;

/** SQLSTATEs (PostgreSQL manual, appendix A), and the codes of Node's sockets and TLS. */
const EXPLANATIONS: Record<string, Explanation> = {
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
  '28000': ({ host, port }, reason) =>
    `${host}:${port} refuses the login (${reason}): create the role or correct DATABASE_USER, allow it in the server's pg_hba.conf, or set DATABASE_SSL=require where the server wants encryption.`,
  '42501': ({ user, database }, reason) =>
    `User "${user}" lacks a right in database "${database}" (${reason}): as a superuser, ALTER DATABASE "${database}" OWNER TO "${user}", or GRANT USAGE, CREATE ON SCHEMA public TO "${user}".`,
  '53300': ({ host, port }, reason) =>
    `${host}:${port} has no connection left (${reason}): raise max_connections there, or lower DATABASE_POOL_SIZE or the number of processes.`,
  '57P03': ({ host, port }, reason) =>
    `${host}:${port} does not take connections yet (${reason}): try again in a moment.`,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_HAS_EXPIRED: untrusted,
  ERR_TLS_CERT_ALTNAME_INVALID: ({ host }, reason) =>
    `The certificate of the database is for another name than ${host} (${reason}): use a name of the certificate in DATABASE_HOST (or DATABASE_URL), or DATABASE_SSL=require.`,
};

/** pg's own errors have no code, so their messages are matched. */
const EXPLANATIONS_BY_MESSAGE: ReadonlyArray<readonly [RegExp, Explanation]> = [
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
  return PASSING.has(codeOf(error) ?? '') || EXPLANATIONS_BY_MESSAGE.at(-1)?.[0].test(messageOf(error)) === true;
}

/** Returns the refusal for a known error, else the error itself. */
export function refusalOf(error: unknown, url: string): unknown {
  const reason = messageOf(error);
  const explanation =
    EXPLANATIONS[codeOf(error) ?? ''] ?? EXPLANATIONS_BY_MESSAGE.find(([pattern]) => pattern.test(reason))?.[1];
  return explanation ? new DatabaseRefusedError(explanation(targetOf(url), reason), { cause: error }) : error;
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
