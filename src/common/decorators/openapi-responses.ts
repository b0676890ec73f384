// How answers look in the OpenAPI document: headers, and one problem for each status.
import { STATUS_CODES } from 'node:http';
import { getSchemaPath } from '@nestjs/swagger';
import { errorCatalogue } from '../../shared/libs/app-error.js';
import { ProblemDto } from '../dto/problem.dto.js';

const text = (description: string, example?: string) => ({
  description,
  schema: { type: 'string' as const, ...(example && { example }) },
});

export const REQUEST_ID = { 'X-Request-Id': text("The caller's, or a new one") };
export const ETAG = { ETag: text('The version in double quotes; of a page a hash', '"3"') };
export const LOCATION = { Location: text('Where the new object is') };
export const LINK = { Link: text('`<…>; rel="next"` while there is a next page') };

/** Written once in the document: nearly every answer has them. */
export const SHARED_HEADERS = {
  'RateLimit-Policy': text(
    'What a caller may use: a quota `q` in any `w` seconds, of each of two limits',
    '"burst";q=300;w=10, "sustained";q=1200;w=60',
  ),
  RateLimit: text(
    'What is left: `r` of the quota; more comes back in `t` seconds',
    '"burst";r=299;t=10, "sustained";r=1199;t=60',
  ),
};

export const RATE_LIMIT = {
  'RateLimit-Policy': { $ref: '#/components/headers/RateLimit-Policy' },
  RateLimit: { $ref: '#/components/headers/RateLimit' },
};

const RETRY_AFTER = { 'Retry-After': text('Try again after so many seconds', '1') };
const CHALLENGE = { 'WWW-Authenticate': text('How to authenticate (RFC 6750)', 'Bearer error="invalid_token"') };

export interface ProblemResponse {
  status: number;
  description: string;
  headers: Record<string, ReturnType<typeof text> | { $ref: string }>;
  content: Record<string, { schema: { $ref: string } }>;
}

/** One response for each status among the codes, which lists the codes it may carry. `headers`: more of them. */
export function problemResponses(
  codes: readonly string[],
  headers: ProblemResponse['headers'] = {},
): ProblemResponse[] {
  const byStatus = new Map<number, string[]>();
  for (const code of new Set(codes)) {
    const status = errorCatalogue().get(code)?.status ?? 500;
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return [...byStatus].map(([status, group]) => ({
    status,
    description: `${STATUS_CODES[status]}: ${group.map((code) => `\`${code}\``).join(', ')}`,
    headers: {
      ...REQUEST_ID,
      ...headers,
      ...((status === 429 || status === 503) && RETRY_AFTER),
      ...(group.includes('UNAUTHENTICATED') && CHALLENGE), // not of a wrong password: no header mends that
    },
    content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemDto) } } },
  }));
}
