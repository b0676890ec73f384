// The committed OpenAPI document: it matches the code and contains everything that a client needs.
import { readFileSync } from 'node:fs';
import { STATUS_CODES } from 'node:http';
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { createOpenApi, printOpenApi } from '../../src/app.openapi.js';
import { createApp } from '../../src/app.setup.js';
import { errorCatalogue } from '../../src/shared/libs/app-error.js';
import { createLogger } from '../../src/shared/logging/logger.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string | string[];
  format?: string;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  [keyword: string]: unknown;
}

interface Response {
  description: string;
  headers?: Record<string, { schema: Schema; description?: string }>;
  content?: Record<string, { schema: Schema }>;
}

interface Parameter {
  in: string;
  name: string;
  required?: boolean;
  schema: Schema;
}

interface Operation {
  operationId: string;
  summary?: string;
  description?: string;
  tags?: string[];
  security?: Array<Record<string, string[]>>;
  parameters?: Parameter[];
  requestBody?: { required?: boolean; content: Record<string, { schema: Schema }> };
  responses: Record<string, Response>;
}

interface Document {
  info: { description: string };
  paths: Record<string, Record<string, Operation>>;
  security: Array<Record<string, string[]>>;
  components: {
    schemas: Record<string, Schema>;
    headers: Record<string, unknown>;
    parameters: Record<string, Parameter>;
    responses: Record<string, Response>;
    securitySchemes: Record<string, unknown>;
  };
}

const text = readFileSync('openapi.json', 'utf8');
const document = JSON.parse(text) as Document;

/** Returns all faults, each after its `METHOD /path`, so that one run shows all of them. Follows references. */
function faultsOf(look: (operation: Operation, path: string, method: string) => string[]): string[] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) =>
      look(whole(operation), path, method).map((fault) => `${method.toUpperCase()} ${path}: ${fault}`),
    ),
  );
}

function whole(operation: Operation): Operation {
  const { parameters, responses } = document.components;
  return {
    ...operation,
    parameters: operation.parameters?.map((parameter) => follow(parameter, parameters)),
    responses: Object.fromEntries(
      Object.entries(operation.responses).map(([status, response]) => [status, follow(response, responses)]),
    ),
  };
}

/** Members beside a reference take precedence over those of its target (OpenAPI 3.1). */
function follow<T extends object>(value: T & { $ref?: string }, components: Record<string, T>): T {
  const { $ref, ...own } = value;
  return $ref === undefined ? value : { ...(components[$ref.split('/').at(-1) as string] as T), ...own };
}

/** Returns the names of the faults that are true. */
const when = (faults: Record<string, boolean>): string[] => Object.keys(faults).filter((fault) => faults[fault]);

const isPublic = ({ security = document.security }: Operation): boolean =>
  !security.some((scheme) => 'bearer' in scheme);
const successOf = ({ responses }: Operation): Array<[string, Response]> =>
  Object.entries(responses).filter(([status]) => status.startsWith('2') && status !== '206'); // a 206 is a part of the 200

function resolve(schema: Schema): Schema {
  return schema.$ref
    ? (document.components.schemas[schema.$ref.replace('#/components/schemas/', '')] as Schema)
    : schema;
}

describe('the committed OpenAPI document', () => {
  let database: ClonedDatabase;
  let app: NestFastifyApplication;

  beforeAll(async () => {
    database = await cloneDatabase();
    const config = testConfig(database.url, { LOG_LEVEL: 'error' });
    app = await createApp(config, database.url, createLogger(config));
    await app.init();
  }, 30_000);
  afterAll(async () => {
    await app.close();
    await database.drop();
  });

  it('equals the generated one (otherwise run `npm run openapi` and review what changed for clients)', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const generated = createOpenApi(app, version);
    expect(document).toEqual(JSON.parse(JSON.stringify(generated)));
    expect(text).toBe(`${printOpenApi(generated)}\n`);
  });

  it('is valid OpenAPI 3.1', async () => {
    const { valid, errors = [] } = await new Validator().validate({ ...structuredClone(document) });
    expect([valid, errors]).toEqual([true, []]);
  });

  it('shares common parts: at most 2,000 bytes per operation', () => {
    const operations = faultsOf(() => ['']).length;
    expect(text.length / operations).toBeLessThan(2_000);
  });

  it('equals the document that the server serves', async () => {
    await app.listen(0, '127.0.0.1');
    const shown = await fetch(new URL('/docs/openapi.json', await app.getUrl()));
    expect(await shown.json()).toEqual(document);
  });

  it('has every route of the server, which also serves it under /api/v1', () => {
    // docs/guides/realtime.md describes the WebSocket.
    const served = routesOf(app).filter((route) => !route.includes(' /docs') && route !== 'GET /ws/updates');
    const described = faultsOf(() => [''])
      .map((route) => route.replace(/: $/, '').replace(/\{(\w+)\}/g, ':$1'))
      .filter((route) => !/^(HEAD|OPTIONS) /.test(route)); // Fastify adds these by itself
    const twins = described
      .filter((route) => route.includes(' /api/'))
      .map((route) => route.replace('/api/', '/api/v1/'));
    expect(served).toEqual([...described, ...twins].sort());
  });
});

/** The registered routes of Fastify as `METHOD /path`, sorted. */
function routesOf(app: NestFastifyApplication): string[] {
  const { methodsByPath } = app.getHttpAdapter().getInstance();
  return [...methodsByPath]
    .flatMap(([path, methods]) => [...methods].map((method) => `${method} ${path}`))
    .filter((route) => !/^(HEAD|OPTIONS) /.test(route))
    .sort();
}

it('the keys of the OpenAPI document are sorted, so that it changes only with the contract', () => {
  const unsorted: string[] = [];
  const walk = (value: unknown, path: string): void => {
    if (typeof value !== 'object' || value === null) return;
    const keys = Object.keys(value);
    if (!Array.isArray(value) && keys.join() !== [...keys].sort().join()) unsorted.push(path);
    for (const [key, member] of Object.entries(value)) walk(member, `${path}/${key}`);
  };
  walk(document, '#');
  expect(unsorted).toEqual([]);
});

describe('every OpenAPI operation', () => {
  it('has a summary, a tag and a unique id', () => {
    const seen = new Map<string, string>();
    const faults = faultsOf(({ summary, tags, operationId }, path) => {
      const twin = seen.get(operationId);
      seen.set(operationId, path);
      return when({
        'no summary': !summary || !/^[A-Z]/.test(summary),
        'no tag': tags?.length !== 1,
        [`operationId ${operationId} is also that of ${twin}`]: twin !== undefined,
        [`operationId ${operationId}`]: !/^[a-z][A-Za-z]+\.[a-z][A-Za-z]+$/.test(operationId),
      });
    });
    expect(faults).toEqual([]);
  });

  it('has one success response, with a schema unless it is empty', () => {
    const faults = faultsOf((operation, _path, method) => {
      const [[status, success] = [], ...others] = successOf(operation);
      // The uploads of tus use headers.
      const isEmpty = method === 'head' || ['uploads.create', 'uploads.override'].includes(operation.operationId);
      const schema = success?.content?.['application/json']?.schema;
      const isBytes = Object.values(success?.content ?? {})[0]?.schema.format === 'binary';
      return when({
        'no success': success === undefined,
        'two successes': others.length > 0 && operation.operationId !== 'uploads.override', // one of PATCH and one of HEAD
        [`${status} without a schema`]:
          status !== '204' && !isBytes && !isEmpty && !(schema && Object.keys(resolve(schema).properties ?? {}).length),
        '204 with a body': status === '204' && success?.content !== undefined,
      });
    });
    expect(faults).toEqual([]);
  });

  it('that is not public requires a bearer token and describes 401', () => {
    expect(document.components.securitySchemes).toMatchObject({ bearer: { type: 'http', scheme: 'bearer' } });
    const publicOnes = faultsOf((operation) => (isPublic(operation) ? ['public'] : []));
    expect(publicOnes).toEqual(
      [
        'POST /api/auth/login',
        'POST /api/auth/refresh',
        'POST /api/auth/register',
        'GET /api/links/{token}',
        'OPTIONS /api/uploads',
        'GET /health',
        'GET /health/live',
        'GET /health/ready',
        'GET /health/startup',
        'GET /ping',
        'GET /problems',
        'GET /problems/{code}',
      ].map((route) => `${route}: public`),
    );
    expect(faultsOf((operation) => when({ 'no 401': !isPublic(operation) && !operation.responses['401'] }))).toEqual(
      [],
    );
  });

  it('on one object takes a UUID and describes 404', () => {
    const faults = faultsOf(({ parameters = [], responses }, path) => {
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as string);
      const described = parameters.filter((parameter) => parameter.in === 'path');
      return [
        ...when({
          'other path parameters than the path':
            described
              .map(({ name }) => name)
              .sort()
              .join() !== inPath.sort().join(),
          'no 404': inPath.length > 0 && !responses['404'],
        }),
        ...described.flatMap(({ name, required, schema }) =>
          when({
            [`${name} is optional`]: required !== true,
            [`${name} is ${String(schema.type)} ${schema.format}`]:
              name === 'id' && !(schema.type === 'string' && schema.format === 'uuid'),
          }),
        ),
      ];
    });
    expect(faults).toEqual([]);
  });

  it('describes 400, and with a request body 413 and 415', () => {
    const faults = faultsOf(({ responses, requestBody }) =>
      ['400', ...(requestBody ? ['413', '415'] : [])]
        .filter((status) => !responses[status])
        .map((status) => `no ${status}`),
    );
    expect(faults).toEqual([]);
  });

  it('describes the common errors, with Retry-After: slow, oversized and cancelled requests, and server failures', () => {
    const faults = faultsOf(({ responses: { default: other } }) =>
      when({
        'another default': ['408', '409', '414', '422', '431', '499', '500', '503'].some(
          (status) => !other?.description.includes(`${status} \``),
        ),
        'no Retry-After': !other?.headers?.['Retry-After'],
      }),
    );
    expect(faults).toEqual([]);
  });

  it('describes 409 where it can lose a race, and 412 where it takes If-Match', () => {
    const isTus = (path: string): boolean => path.startsWith('/api/uploads'); // tus uses Upload-Offset instead
    const faults = faultsOf(({ parameters = [], responses }, path, method) => {
      const conditional = parameters.some(({ name }) => name === 'If-Match');
      return when({
        'no If-Match': ['put', 'patch'].includes(method) && !conditional && !isTus(path),
        'no 412': conditional && !responses['412'],
        'no 409': conditional && !responses['409'],
      });
    });
    expect(faults).toEqual([]);
  });

  it('describes every error response as a problem', () => {
    const faults = faultsOf(({ responses }) =>
      Object.entries(responses)
        .filter(([status]) => /^([45]|default)/.test(status))
        .flatMap(([status, { content }]) =>
          when({
            [`${status} as ${Object.keys(content ?? {}).join()}`]:
              Object.keys(content ?? {}).join() !== 'application/problem+json',
            [`${status} with another shape`]: !/^#\/components\/schemas\/(Health)?ProblemDto$/.test(
              content?.['application/problem+json']?.schema.$ref ?? '',
            ),
          }),
        ),
    );
    expect(faults).toEqual([]);
  });

  it('names only catalogue codes, each under its status', () => {
    const faults = faultsOf(({ responses }) =>
      Object.entries(responses).flatMap(([status, { description }]) => {
        if (status === 'default') return [];
        const codes = [...description.matchAll(/`([A-Z_]+)`/g)].map(([, code]) => code as string);
        return [
          ...when({
            [`${status} names no code`]: /^[45]/.test(status) && codes.length === 0,
            [`${status} is described as “${description}”`]: !description.startsWith(STATUS_CODES[status] as string),
            [`${status} names a code twice`]: new Set(codes).size < codes.length,
          }),
          ...codes
            .filter((code) => String(errorCatalogue().get(code)?.status) !== status)
            .map((code) => `${status} names ${code}`),
        ];
      }),
    );
    expect(faults).toEqual([]);
  });

  it('describes its headers: X-Request-Id always, ETag of one resource, Location of a new one, Link of a page', () => {
    const faults = faultsOf((operation) =>
      Object.entries(operation.responses).flatMap(([status, { headers = {}, content }]) => {
        const schema = content?.['application/json'] ? resolve(content['application/json'].schema) : {};
        const versioned = schema.properties?.['version']?.type === 'integer';
        return when({
          [`${status} without X-Request-Id`]: !headers['X-Request-Id'],
          [`${status} without ETag`]: (versioned || status === '304') && !headers['ETag'],
          [`${status} without Location`]: versioned && status === '201' && !headers['Location'],
          // The event log has no last page: its cursor is never null.
          [`${status} without Link`]:
            [schema.properties?.['nextCursor']?.type].flat().includes('null') && !headers['Link'],
          [`${status} without Retry-After`]: ['429', '503'].includes(status) && !headers['Retry-After'],
          [`${status} without WWW-Authenticate`]: status === '401' && !headers['WWW-Authenticate'],
        });
      }),
    );
    expect(faults).toEqual([]);
  });

  it('describes 429 and the remaining quota where it is rate-limited; probes and single problems are not limited', () => {
    const unlimited = faultsOf(({ responses }) => (responses['429'] ? [] : ['not limited']));
    expect(unlimited).toEqual(
      [
        'GET /health',
        'GET /health/live',
        'GET /health/ready',
        'GET /health/startup',
        'GET /ping',
        'GET /problems/{code}',
      ].map((route) => `${route}: not limited`),
    );
    const faults = faultsOf(({ responses }) =>
      Object.entries(responses).flatMap(([status, { headers = {} }]) => {
        if (status === 'default') return []; // this error can precede the rate limit
        const expected = responses['429'] ? ['RateLimit', 'RateLimit-Policy'] : [];
        const described = Object.keys(headers).filter((name) => name.startsWith('RateLimit'));
        return when({ [`${status} describes ${described.join(' and ')}`]: described.join() !== expected.join() });
      }),
    );
    expect(faults).toEqual([]);
  });

  it('has no example in an optional query parameter, since Swagger UI would fill it into its form', () => {
    const queries = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).flatMap((operation) => whole(operation).parameters ?? []),
    );
    const optional = queries.filter((parameter) => parameter.in === 'query' && !parameter.required);
    expect(optional.length).toBeGreaterThan(20);
    expect(optional.filter((parameter) => 'example' in parameter || 'example' in parameter.schema)).toEqual([]);
    expect(text).toContain('"examples": ["2030-01-31T09:00:00.000Z"]');
  });

  it('that reads one resource describes If-None-Match', () => {
    const faults = faultsOf(({ parameters = [], responses }, _path, method) =>
      when({
        'no 304': method === 'get' && responses['200']?.headers?.['ETag'] !== undefined && !responses['304'],
        'no If-None-Match': responses['304'] !== undefined && !parameters.some(({ name }) => name === 'If-None-Match'),
      }),
    );
    expect(faults).toEqual([]);
  });
});

describe('every OpenAPI schema', () => {
  const schemas = Object.entries(document.components.schemas);
  const members = schemas.flatMap(([name, { properties = {} }]) =>
    Object.entries(properties).map(([member, schema]) => [`${name}.${member}`, schema] as const),
  );

  it('is used, and is defined where it is used', () => {
    const used = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name]) => name));
    expect(schemas.map(([name]) => name).filter((name) => !used.has(name))).toEqual([]);
    expect([...used].filter((name) => !document.components.schemas[name as string])).toEqual([]);
  });

  it('has a type for every member; null is one of the types', () => {
    const untyped = members.filter(([, { type, $ref, allOf, anyOf }]) => !type && !$ref && !allOf && !anyOf);
    expect(untyped.map(([name]) => name)).toEqual([]);
    expect(text).not.toContain('"nullable"'); // the form of OpenAPI 3.0
  });

  it('has a name for every enum; the schema of batch methods is written by hand', () => {
    const unnamed: string[] = [];
    const walk = (value: unknown, path: string): void => {
      if (typeof value !== 'object' || value === null) return;
      if (Array.isArray((value as Schema)['enum']) && ((value as Schema)['enum'] as unknown[]).length > 1)
        unnamed.push(path);
      for (const [key, member] of Object.entries(value)) walk(member, `${path}/${key}`);
    };
    for (const [name, schema] of schemas) if (!schema['enum']) walk(schema, name);
    walk(document.paths, '#');
    walk(document.components.parameters, '#');
    expect(unnamed).toEqual(['BatchDto/properties/requests/items/properties/method']);
  });

  it('has a maximum length for every request text, and a format for times and UUIDs', () => {
    const sent = new Set(
      Object.values(document.paths)
        .flatMap((methods) => Object.values(methods))
        .map(({ requestBody }) => requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1)),
    );
    const faults = members.flatMap(([name, { type, format, maxLength, enum: values }]) =>
      when({
        [`${name} has no maxLength`]:
          sent.has(name.split('.')[0]) &&
          [type].flat().includes('string') &&
          !values &&
          format !== 'date-time' &&
          maxLength === undefined,
        [`${name} is no date-time`]: /(At|timestamp)$/.test(name) && format !== 'date-time',
        [`${name} is no uuid`]: /\.(id|ownerId)$/.test(name) && format !== 'uuid',
      }),
    );
    expect(faults).toEqual([]);
  });

  it('never contains internal members', () => {
    expect(members.map(([name]) => name).filter((name) => /hash|salt|secret|owner_|userId/i.test(name))).toEqual([]);
  });
});
