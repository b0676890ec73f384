// The OpenAPI document: generated from the code, the same on every machine.
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { REFRESH_COOKIE } from './auth/refresh-cookie.js';
import {
  ETAG,
  problemResponses,
  RATE_LIMIT,
  REQUEST_ID,
  SHARED_HEADERS,
} from './common/decorators/openapi-responses.js';
import { HttpErrors } from './common/http.errors.js';

const DESCRIPTION = `Accounts, files, tasks and background jobs over REST.

**Log in:** POST /api/auth/login (or /register), copy \`accessToken\`, press *Authorize*.
Every route also answers under \`/api/v1\`. Errors are \`application/problem+json\` (RFC 9457); \`GET /problems\` explains each code.
Lists are keyset pages: follow \`nextCursor\` or the \`Link\` header. Send the \`ETag\` you saw as \`If-Match\` and no change of others is overwritten.
Every limited answer says in \`RateLimit\` what is left of your quotas; beyond them it is 429, with \`Retry-After\` (draft-ietf-httpapi-ratelimit-headers).`;

export function createOpenApi(app: INestApplication, version: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setTitle('Holdfast')
    .setDescription(DESCRIPTION)
    .setVersion(version)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addCookieAuth(REFRESH_COOKIE)
    .build();
  const document = SwaggerModule.createDocument(app, builder, {
    operationIdFactory: (controller, method) => `${controller.replace(/Controller$/, '')}.${method}`,
  });
  for (const [path, item] of Object.entries(document.paths)) {
    if (path.startsWith('/api/v1/'))
      delete document.paths[path]; // the same routes again
    else for (const method of METHODS) if (item[method]) complete(method, item[method]);
  }
  for (const [name, schema] of Object.entries(document.components?.schemas ?? {}))
    if (name.startsWith('Change')) dropDefaults(schema); // what is absent stays
  document.components = { ...document.components, headers: SHARED_HEADERS };
  return sortKeys(document);
}

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'options'] as const;
type Operation = NonNullable<OpenAPIObject['paths'][string]['get']>;

/** What follows from the kind of an operation, so that no route needs to say it. */
function complete(method: (typeof METHODS)[number], operation: Operation): void {
  operation.operationId = operation.operationId?.replace(/\[\d+\]$/, ''); // one of the two versions of the path
  const ok = operation.responses['200'];
  if (method === 'get' && ok && 'headers' in ok && ok.headers?.['ETag']) describeConditionalGet(operation);
  const { requestBody } = operation;
  if (requestBody) addProblems(operation, BODY_ERRORS);
  if (requestBody && 'content' in requestBody && requestBody.content['application/json'])
    addProblems(operation, JSON_ERRORS);
}

const BODY_ERRORS = [HttpErrors.REQUEST_TIMEOUT, HttpErrors.UNSUPPORTED_MEDIA_TYPE];
const JSON_ERRORS = [HttpErrors.INVALID_JSON, HttpErrors.PAYLOAD_TOO_LARGE];

function describeConditionalGet(operation: Operation): void {
  const description = 'A known ETag: 304 when it is still current';
  (operation.parameters ??= []).push({
    name: 'If-None-Match',
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  });
  operation.responses['304'] = { description: 'Not Modified', headers: { ...REQUEST_ID, ...RATE_LIMIT, ...ETAG } };
}

/** Beside what the route itself names. A body that cannot be read is refused before anything is counted. */
function addProblems(operation: Operation, errors: ReadonlyArray<{ code: string }>): void {
  for (const { status, ...response } of problemResponses(errors.map((error) => error.code))) {
    const named = operation.responses[status];
    const before = named && 'description' in named ? `${named.description}, ` : '';
    const description = before + response.description.slice(before ? response.description.indexOf('`') : 0);
    const headers = { ...(named && 'headers' in named && named.headers), ...response.headers };
    operation.responses[status] = { ...response, description, headers };
  }
}

function dropDefaults(schema: object): void {
  const { properties = {} } = schema as { properties?: Record<string, { default?: unknown }> };
  for (const property of Object.values(properties)) delete property.default;
}

/** So that a committed document changes only where the contract does. */
function sortKeys<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sortKeys) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  ) as T;
}
