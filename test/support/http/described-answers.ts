// Checks every response of a suite against the committed OpenAPI document: status, headers, media type, body.
import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

interface Response {
  $ref?: string;
  description?: string;
  headers?: Record<string, unknown>;
  content?: Record<string, unknown>;
}

interface Operation {
  operationId: string;
  responses: Record<string, Response>;
}

interface Document {
  paths: Record<string, Record<string, Operation>>;
  components: { responses: Record<string, Response>; schemas: Record<string, unknown> };
}

/** A response as a client sees it. `body`: parsed JSON, or text; undefined when it is empty. */
export interface ReceivedAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Headers that the document must name if a response has them. Other headers belong to HTTP itself, CORS or Helmet. */
const DESCRIBED_HEADERS = [
  ...['ETag', 'Link', 'Location', 'RateLimit', 'RateLimit-Policy', 'Retry-After', 'WWW-Authenticate', 'X-Request-Id'],
  ...['Content-Location', 'Content-Range', 'Upload-Length', 'Upload-Metadata', 'Upload-Offset', 'X-File-Id'],
];

const document = JSON.parse(readFileSync('openapi.json', 'utf8')) as Document;
const templates = Object.keys(document.paths)
  .map((path) => ({ path, pattern: new RegExp(`^${path.replace(/\{\w+\}/g, '[^/]+')}$`) }))
  .sort((a, b) => a.path.split('{').length - b.path.split('{').length); // /files/usage before /files/{id}

const ajv = new Ajv2020({ strict: false, allErrors: true });
formats.default(ajv);
ajv.addSchema(closed(document) as object, 'openapi.json');
const validators = new Map<string, ValidateFunction>();

/**
 * Throws when the document describes the route but not this response. Returns for what the document does not describe: unknown
 * paths, unsupported methods of a path, preflights, ROUTE_NOT_FOUND.
 */
export function checkAnswer(method: string, url: string, answer: ReceivedAnswer): void {
  const path = url.replace(/^https?:\/\/[^/]+/, '').replace(/[?#].*$/s, '');
  const template = templates.find(({ pattern }) => pattern.test(path.replace(/^\/api\/v1\//, '/api/')))?.path ?? '';
  const methods = document.paths[template];
  const name = method.toLowerCase();
  const verb = name === 'head' && !methods?.['head'] ? 'get' : name;
  const operation = methods?.[verb];
  if (!operation || (answer.body as { code?: string } | undefined)?.code === 'ROUTE_NOT_FOUND') return;
  const faults = faultsOf(operation, `#/paths/${escape(template)}/${verb}/responses`, name === 'head', answer);
  if (faults.length === 0) return;
  throw new Error(
    `${method} ${path} answered ${answer.status}, but not as openapi.json describes ${operation.operationId}:\n` +
      `${faults.map((fault) => `  - ${fault}`).join('\n')}\n  ${JSON.stringify(answer.body)?.slice(0, 1_000)}`,
  );
}

function faultsOf(operation: Operation, place: string, isHead: boolean, answer: ReceivedAnswer): string[] {
  const { status, headers, body } = answer;
  const key = String(status) in operation.responses ? String(status) : 'default';
  const reference = operation.responses[key];
  if (!reference) return [`it has no response ${status}, only ${Object.keys(operation.responses).join(', ')}`];
  const named = reference.$ref?.split('/').at(-1);
  const response = named === undefined ? reference : (document.components.responses[named] as Response);
  const source = reference.$ref ?? `${place}/${key}`;
  const unnamed = DESCRIBED_HEADERS.filter((header) => headers.has(header) && !(header in (response.headers ?? {})));
  return [
    ...unnamed.map((header) => `${status} has no header ${header} there`),
    ...faultsOfBody(response, source, isHead, answer),
    ...(status < 400 || isHead ? [] : faultsOfCode(reference.description ?? response.description ?? '', key, body)),
  ];
}

function faultsOfBody(
  response: Response,
  source: string,
  isHead: boolean,
  { headers, body }: ReceivedAnswer,
): string[] {
  const type = headers.get('content-type')?.split(';', 1)[0]?.trim().toLowerCase();
  const known = Object.keys(response.content ?? {});
  const media = known.find((range) => range === type || range === '*/*' || range === type?.replace(/\/.*/, '/*'));
  if (type !== undefined && media === undefined)
    return [`the answer is ${type}, there it is ${known.join(', ') || 'empty'}`];
  if (isHead) return [];
  if (type === undefined)
    return body === undefined && known.length === 0 ? [] : [`it is no ${known.join(', ')}, but ${typeof body}`];
  if (!/\bjson$/.test(media as string)) return [];
  const validate = validatorOf(`openapi.json${source}/content/${escape(media as string)}/schema`);
  return validate(body) ? [] : (validate.errors ?? []).map(faultOf);
}

/** Each description lists the codes of its status; the default response lists the codes that every route may return. */
function faultsOfCode(description: string, key: string, body: unknown): string[] {
  const codes = [...description.matchAll(/`([A-Z0-9_]+)`/g)].map(([, code]) => code);
  const { code } = (body ?? {}) as { code?: string };
  return codes.includes(code) ? [] : [`${key} has no code ${code} there, only ${codes.join(', ')}`];
}

function faultOf({ instancePath, message, params }: ErrorObject): string {
  const { unevaluatedProperty, allowedValues } = params as { unevaluatedProperty?: string; allowedValues?: unknown[] };
  const detail = unevaluatedProperty ?? allowedValues?.join(', ');
  return `the body${instancePath} ${message}${detail === undefined ? '' : ` (${detail})`}`;
}

function validatorOf($ref: string): ValidateFunction {
  let validate = validators.get($ref);
  if (!validate) validators.set($ref, (validate = ajv.compile({ $ref })));
  return validate;
}

/** Escapes `~` and `/` for a JSON pointer (RFC 6901), and other characters for a URI fragment. */
function escape(text: string): string {
  return encodeURIComponent(text.replaceAll('~', '~0').replaceAll('/', '~1'));
}

/** Returns the document with closed objects: only the members of the schema are valid. */
function closed(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(closed);
  const members = Object.fromEntries(Object.entries(value).map(([key, member]) => [key, closed(member)]));
  const isObject = typeof members['properties'] === 'object' && members['type'] === 'object';
  return isObject && !('additionalProperties' in members) ? { ...members, unevaluatedProperties: false } : members;
}
