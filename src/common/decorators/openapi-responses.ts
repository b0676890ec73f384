// Shared headers and problem responses of the OpenAPI document, each defined once and referenced.
import { STATUS_CODES } from 'node:http';
import { getSchemaPath } from '@nestjs/swagger';
import { errorCatalogue } from '../../shared/libs/app-error.js';
import { ProblemDto } from '../dto/problem.dto.js';

interface TextHeader {
  description: string;
  schema: { type: 'string'; example?: string };
}

export const textHeader = (description: string, example?: string): TextHeader => ({
  description,
  schema: { type: 'string', ...(example && { example }) },
});

/** `components.headers`. */
export const SHARED_HEADERS = {
  ETag: textHeader('The version in double quotes; of a page a hash', '"3"'),
  Link: textHeader('`<…>; rel="next"` while there is a next page'),
  Location: textHeader(
    'Where the new object is; of a conflict, where one can be followed, the object that is in the way',
  ),
  RateLimit: textHeader(
    'What is left: `r` of the quota; more comes back in `t` seconds. Absent where nothing was counted',
    '"burst";r=299;t=10, "sustained";r=1199;t=60',
  ),
  'RateLimit-Policy': textHeader(
    'What a caller may use: a quota `q` in any `w` seconds, of each of two limits',
    '"burst";q=300;w=10, "sustained";q=1200;w=60',
  ),
  'Retry-After': textHeader('Try again after so many seconds', '1'),
  'WWW-Authenticate': textHeader('How to authenticate (RFC 6750)', 'Bearer error="invalid_token"'),
  'X-Request-Id': textHeader("The caller's, or a new one"),
};

type Shared = keyof typeof SHARED_HEADERS;
type References = Record<string, { $ref: string }>;

export const refer = (...names: Shared[]): References =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));

export const REQUEST_ID = refer('X-Request-Id');
export const ETAG = refer('ETag');
export const LOCATION = refer('Location');
export const LINK = refer('Link');
export const RATE_LIMIT = refer('RateLimit', 'RateLimit-Policy');

/** A reference to a shared problem response. */
export interface ProblemReference {
  status: number;
  /** Beside `$ref` it replaces the description of the referenced response (OpenAPI 3.1, Reference Object). */
  description: string;
  $ref: string;
}

/** Returns one reference for each status among the codes. `limited`: the route is rate-limited. */
export function problemResponses(codes: readonly string[], limited: boolean): ProblemReference[] {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(codes)) {
    const status = errorCatalogue().get(code)?.status ?? 500;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return [...byStatus].map(([status, group]) => ({
    status,
    description: describeProblem(status, group),
    $ref: `#/components/responses/${problemName(status, limited)}`,
  }));
}

export const describeProblem = (status: number, codes: readonly string[]): string =>
  `${STATUS_CODES[status]}${codes.length > 0 ? ': ' : ''}${codes.map((code) => `\`${code}\``).join(', ')}`;

const problemName = (status: number, limited: boolean): string =>
  (STATUS_CODES[status] ?? 'Error').replace(/[^A-Za-z]/g, '') + (limited ? '' : 'Unlimited');

export const OTHER_PROBLEM = { $ref: '#/components/responses/OtherProblem' };

/** `components.responses`: every status of the catalogue, for rate-limited routes and for others. */
export function problemComponents(): Record<string, ReturnType<typeof problem>> {
  const statuses = new Set([...errorCatalogue().values()].map(({ status }) => status));
  const problems = [...statuses].flatMap((status) =>
    [true, false].map((limited) => [problemName(status, limited), problemComponent(status, limited)] as const),
  );
  const others = ANYWHERE.map((code) => `${errorCatalogue().get(code)?.status} \`${code}\``);
  return {
    ...Object.fromEntries(problems),
    OtherProblem: problem(`What any route may answer: ${others.join(', ')}`, {
      ...RATE_LIMIT,
      ...refer('Retry-After'),
    }),
  };
}

/** Errors of many routes: the shared problem responses list them, so that a route lists only its other errors. */
const COMMON_CODES = [
  ...[
    'VALIDATION_FAILED',
    'BAD_REQUEST',
    'INVALID_JSON',
    'UNAUTHENTICATED',
    'AUTH_TOKEN_INVALID',
    'FORBIDDEN',
    'CONFLICT',
  ],
  ...['VERSION_STALE', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'RATE_LIMITED'],
  'CONTENT_ENCODING_UNSUPPORTED',
];

/** Errors of every route, its `default` response: before the handler runs, while it runs, and when the server fails. */
export const ANYWHERE = [
  ...['REQUEST_TIMEOUT', 'CONFLICT', 'URI_TOO_LONG', 'UNPROCESSABLE', 'HEADERS_TOO_LARGE', 'REQUEST_CANCELLED'],
  ...['INTERNAL_ERROR', 'SERVICE_UNAVAILABLE'],
];

function problemComponent(status: number, limited: boolean) {
  const codes = COMMON_CODES.filter((code) => errorCatalogue().get(code)?.status === status);
  return problem(describeProblem(status, codes), {
    ...(limited && RATE_LIMIT),
    ...([404, 423, 429, 503].includes(status) && refer('Retry-After')), // 404: a thumbnail that is not ready yet
    ...(status === 401 && refer('WWW-Authenticate')),
    ...(status === 409 && refer('Location')),
  });
}

const problem = (description: string, headers: References) => ({
  description,
  headers: { ...REQUEST_ID, ...headers },
  content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } },
});
