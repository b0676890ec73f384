// How answers look in the OpenAPI document: headers and problems, each written once and referred to.
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

/** `limited`: the route is counted by the rate limit. */
export interface ProblemReference {
  status: number;
  /** Beside `$ref` it replaces the one that is referred to (OpenAPI 3.1, Reference Object). */
  description: string;
  $ref: string;
}

/** One reference for each status among the codes; its description lists the codes it may carry. */
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

/** `components.responses` for every status of the catalogue, for limited routes and for others. */
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

/** What many routes refuse: a shared problem names these, and a route only says which others there are. */
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

/** What any route may answer, the `default` of each: before it is reached, while it runs, and when we fail. */
export const ANYWHERE = [
  ...['REQUEST_TIMEOUT', 'CONFLICT', 'URI_TOO_LONG', 'UNPROCESSABLE', 'HEADERS_TOO_LARGE', 'REQUEST_CANCELLED'],
  ...['INTERNAL_ERROR', 'SERVICE_UNAVAILABLE'],
];

function problemComponent(status: number, limited: boolean) {
  const codes = COMMON_CODES.filter((code) => errorCatalogue().get(code)?.status === status);
  return problem(describeProblem(status, codes), {
    ...(limited && RATE_LIMIT),
    ...([404, 423, 429, 503].includes(status) && refer('Retry-After')), // 404: a thumbnail that is not made yet
    ...(status === 401 && refer('WWW-Authenticate')),
    ...(status === 409 && refer('Location')),
  });
}

const problem = (description: string, headers: References) => ({
  description,
  headers: { ...REQUEST_ID, ...headers },
  content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } },
});
