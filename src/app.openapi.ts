// Generates the OpenAPI document from the code, with the same result on every machine.
import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { type Method, type Operation, operationsOf, shareParameters, shareResponses } from './app.openapi-sharing.js';
import { REFRESH_COOKIE } from './auth/refresh-cookie.js';
import {
  ANYWHERE,
  describeProblem,
  ETAG,
  LINK,
  OTHER_PROBLEM,
  problemResponses,
  RATE_LIMIT,
  REQUEST_ID,
  SHARED_HEADERS,
} from './common/decorators/openapi-responses.js';
import { HttpErrors } from './common/http/http.errors.js';
import { errorCatalogue } from './shared/libs/app-error.js';

const DESCRIPTION = `Accounts, files, tasks and background jobs over REST.

**Log in:** POST /api/auth/login (or /register), copy \`accessToken\`, press *Authorize*.
Every route also answers under \`/api/v1\`. Errors are \`application/problem+json\` (RFC 9457); \`GET /problems\` explains each code.
Lists are keyset pages: follow \`nextCursor\` or the \`Link\` header. Send the \`ETag\` you saw as \`If-Match\` and no change of others is overwritten.
Every limited answer states in \`RateLimit\` what is left of your quotas; beyond them it is 429, with \`Retry-After\` (draft-ietf-httpapi-ratelimit-headers).`;

export function createOpenApi(app: INestApplication, version: string): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0') // its schemas are JSON Schema: null is a type, and `$ref` may have siblings
    .setTitle('Holdfast')
    .setDescription(DESCRIPTION)
    .setVersion(version)
    .setLicense('MIT', 'https://opensource.org/license/mit')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addCookieAuth(REFRESH_COOKIE)
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, builder, { operationIdFactory });
  for (const path of Object.keys(document.paths)) if (path.startsWith('/api/v1/')) delete document.paths[path]; // duplicates
  for (const [method, operation] of operationsOf(document)) complete(method, operation);
  for (const [name, schema] of Object.entries(document.components?.schemas ?? {}))
    if (name.startsWith('Change')) dropDefaults(schema); // absent members keep their values
  document.components = {
    ...document.components,
    headers: SHARED_HEADERS,
    parameters: shareParameters(document),
    responses: shareResponses(document),
  };
  return sortKeys(document);
}

/** Returns the operation id, used as a method name by clients: `tasks.list`, `deadLetters.replay`. */
function operationIdFactory(controller: string, method: string): string {
  const name = controller.replace(/Controller$/, '');
  return `${name.charAt(0).toLowerCase()}${name.slice(1)}.${method}`;
}

/** Adds the parts that follow from the kind of an operation, so that routes need not declare them. */
function complete(method: Method, operation: Operation): void {
  operation.operationId = operation.operationId?.replace(/\[\d+\]$/, ''); // the index of one of the two versions of the path
  const ok = operation.responses['200'];
  if (method === 'get' && ok && 'headers' in ok && ok.headers?.['ETag']) describeConditionalGet(operation);
  for (const parameter of operation.parameters ?? []) keepOutOfForms(parameter);
  const { requestBody } = operation;
  if (requestBody) addProblems(operation, BODY_PROBLEMS);
  if (requestBody && 'content' in requestBody && requestBody.content['application/json'])
    addProblems(operation, [HttpErrors.PAYLOAD_TOO_LARGE.code]);
  addProblems(operation, ANYWHERE.filter(isNamed(operation)));
  operation.responses.default = OTHER_PROBLEM; // for all statuses that are not named
}

/**
 * Writes the example of an optional parameter as `examples`. Swagger UI fills `example` into its form, so the first list that a
 * newcomer tries would be filtered.
 */
function keepOutOfForms(parameter: NonNullable<Operation['parameters']>[number]): void {
  if (!('schema' in parameter) || parameter.required || !parameter.schema || !('example' in parameter.schema)) return;
  const { example, ...schema } = parameter.schema as { example?: unknown };
  parameter.schema = Object.assign(schema, { examples: [example] });
}

/** Problems of routes with a body. */
const BODY_PROBLEMS = [HttpErrors.UNSUPPORTED_MEDIA_TYPE.code, HttpErrors.CONTENT_ENCODING_UNSUPPORTED.code];

/** Maximum characters of a line in the committed file, without its indent. */
const LINE = 240;

function describeConditionalGet(operation: Operation): void {
  const description = 'A known ETag: 304 when it is still current';
  (operation.parameters ??= []).push({
    name: 'If-None-Match',
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  });
  const headers = { ...REQUEST_ID, ...RATE_LIMIT, ...ETAG, ...LINK };
  operation.responses['304'] = { description: 'Not Modified', headers };
}

/** Adds codes to those that the route itself declares. */
function addProblems(operation: Operation, codes: readonly string[]): void {
  for (const { status, $ref, description } of problemResponses(codes, '429' in operation.responses)) {
    const named = operation.responses[status];
    const all = new Set([...codesIn(named), ...codesIn({ description })]);
    operation.responses[status] = { ...(named ?? { $ref }), description: describeProblem(status, [...all]) };
  }
}

function codesIn(response: object = {}): string[] {
  const { description = '' } = response as { description?: string };
  return [...description.matchAll(/`([A-Z0-9_]+)`/g)].map(([, code]) => code as string);
}

/** The default response does not cover a status that the operation names, so such codes must be listed there. */
function isNamed({ responses }: Operation): (code: string) => boolean {
  return (code) => String(errorCatalogue().get(code)?.status) in responses;
}

function dropDefaults(schema: object): void {
  const { properties = {} } = schema as { properties?: Record<string, { default?: unknown }> };
  for (const property of Object.values(properties)) delete property.default;
}

/** Prints a value as in the committed file: on one line if it fits, and short neighbours share a line. */
export function printOpenApi(value: unknown, indent = ''): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const deeper = `${indent} `;
  const members = Array.isArray(value)
    ? value.map((item) => printOpenApi(item, deeper))
    : Object.entries(value).map(([key, member]) => `${JSON.stringify(key)}: ${printOpenApi(member, deeper)}`);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const line = `${open}${members.join(', ')}${close}`;
  if (line.length <= LINE && !line.includes('\n')) return line;
  return `${open}\n${deeper}${fillLines(members).join(`,\n${deeper}`)}\n${indent}${close}`;
}

/** Joins neighbours as long as they fit on a line; a member of several lines stays alone. */
function fillLines(members: readonly string[]): string[] {
  const lines: string[] = [];
  for (const member of members) {
    const joined = `${lines.at(-1) ?? ''}, ${member}`;
    if (lines.length > 0 && joined.length <= LINE && !joined.includes('\n')) lines[lines.length - 1] = joined;
    else lines.push(member);
  }
  return lines;
}

/** Sorts keys, so that the committed document changes only when the contract changes. */
function sortKeys<T>(value: T): T {
  if (Array.isArray(value)) return value.map(sortKeys) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sortKeys(member)]),
  ) as T;
}
