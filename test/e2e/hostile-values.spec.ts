// Checks values that break naive servers: each returns a documented 4xx, and the server keeps running.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page, Task } from '../support/http/api.js';
import { exampleOf, type Operation, readOperations, type Schema } from '../support/http/openapi.js';
import { type Catalogue, faultsOf, readCatalogue } from '../support/problems.js';
import { type RawRequest, send } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
let catalogue: Catalogue;
let operations: Operation[];
let root: Person;
beforeAll(async () => {
  server = await startServer();
  catalogue = await readCatalogue(server.api);
  operations = await readOperations(server.api);
  root = await server.makeAdmin();
});
afterAll(() => server.close());
afterEach(async () => {
  expect((await server.api.get('/health/ready')).status).toBe(200);
  expect(server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});

const JSON_TYPE = { 'content-type': 'application/json' };

/** Returns the status and the code, after checking that the response conforms to the contract. */
async function outcome(request: RawRequest): Promise<string> {
  const headers = { authorization: `Bearer ${root.accessToken}`, ...request.headers };
  const answer = await send(server.port, { ...request, headers });
  expect(faultsOf(answer, catalogue, request.method)).toEqual([]);
  return `${answer.status} ${answer.status >= 400 ? (JSON.parse(answer.text) as { code: string }).code : ''}`.trim();
}

const post = (body: string | Uint8Array, headers: Record<string, string> = JSON_TYPE) =>
  outcome({ method: 'POST', path: '/api/tasks', body, headers });
const withTitle = (json: string): string => `{"title":${json}}`;

describe('a JSON body', () => {
  const nested = (depth: number): string => `{"title":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`;
  it.each<[string, string | Uint8Array, string]>([
    ['that is truncated', '{"title":"x"', '400 INVALID_JSON'],
    ['with a trailing comma', '{"title":"x",}', '400 INVALID_JSON'],
    ['with single quotes', "{'title':'x'}", '400 INVALID_JSON'],
    ['with a comment', '{"title":"x"} // why', '400 INVALID_JSON'],
    ['with two documents', '{"title":"x"}{"title":"y"}', '400 INVALID_JSON'],
    ['with NaN', '{"title":"x","priority":NaN}', '400 INVALID_JSON'],
    ['with a raw line break in text', '{"title":"a\nb"}', '400 INVALID_JSON'],
    ['of whitespace', '   ', '400 INVALID_JSON'],
    ['of NUL bytes', new Uint8Array(10), '400 INVALID_JSON'],
    ['in Latin-1', Buffer.from('{"title":"\xe4"}', 'latin1'), '400 INVALID_JSON'],
    ['in UTF-16', Buffer.from('{"title":"x"}', 'utf16le'), '400 INVALID_JSON'],
    ['with a surrogate encoded in UTF-8', Buffer.from('7b227469746c65223a22eda080227d', 'hex'), '400 INVALID_JSON'],
    ['with an overlong encoding', Buffer.from('7b227469746c65223a22c080227d', 'hex'), '400 INVALID_JSON'],
    ['with an escaped NUL', withTitle('"a\\u0000b"'), '400 INVALID_JSON'],
    ['with an escaped NUL in a key', '{"title":"x","a\\u0000":1}', '400 INVALID_JSON'],
    ['with a lone high surrogate', withTitle('"\\ud83d"'), '400 INVALID_JSON'],
    ['with a lone low surrogate', withTitle('"\\ude00x"'), '400 INVALID_JSON'],
    ['with surrogates in the wrong order', withTitle('"\\ude00\\ud83d"'), '400 INVALID_JSON'],
    ['with __proto__', '{"title":"x","__proto__":{"role":"ADMIN"}}', '400 INVALID_JSON'],
    ['with __proto__ in escapes', '{"title":"x","\\u005f_proto__":{"role":"ADMIN"}}', '400 INVALID_JSON'],
    ['with __proto__ nested deeply', '{"title":{"a":[{"__proto__":1}]}}', '400 INVALID_JSON'],
    ['with constructor.prototype', '{"title":"x","constructor":{"prototype":{"role":"ADMIN"}}}', '400 INVALID_JSON'],
    ['with constructor', '{"title":"x","constructor":1}', '400 VALIDATION_FAILED'],
    ['with hasOwnProperty and toString', '{"title":"x","hasOwnProperty":1,"toString":1}', '400 VALIDATION_FAILED'],
    ['of depth 32', nested(32), '400 VALIDATION_FAILED'],
    ['of depth 33', nested(33), '400 INVALID_JSON'],
    ['of a hundred thousand open brackets', '['.repeat(100_000), '400 INVALID_JSON'],
    ['of a hundred thousand nested objects', '{"a":'.repeat(100_000), '400 INVALID_JSON'],
    ['with brackets inside a string', withTitle(`"${'['.repeat(150)}"`), '201'],
    ['with an escaped quote before brackets', withTitle(`"\\"${'['.repeat(150)}"`), '201'],
    ['with a surrogate pair', withTitle('"\\ud83d\\ude00"'), '201'],
    ['with the same key twice', '{"title":"x","title":5}', '400 VALIDATION_FAILED'],
    ['that is null', 'null', '400 VALIDATION_FAILED'],
    ['that is text', '"title"', '400 VALIDATION_FAILED'],
    ['that is a number', '5', '400 VALIDATION_FAILED'],
    ['that is true', 'true', '400 VALIDATION_FAILED'],
    ['that is an array', '[]', '400 VALIDATION_FAILED'],
    ['that is an array of valid objects', '[{"title":"x"}]', '400 VALIDATION_FAILED'],
    [
      'of a thousand unknown members',
      JSON.stringify(Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, i]))),
      '400 VALIDATION_FAILED',
    ],
    [
      'of ten thousand unknown members',
      JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]))),
      '400 INVALID_JSON',
    ],
    ['with a number beyond 64 bits', '{"title":"x","priority":9223372036854775808}', '400 VALIDATION_FAILED'],
    ['with a number beyond a double', '{"title":"x","priority":1e400}', '400 VALIDATION_FAILED'],
    [
      'with a number of a hundred thousand digits',
      `{"title":"x","priority":${'9'.repeat(100_000)}}`,
      '400 VALIDATION_FAILED',
    ],
    ['with a title of half a megabyte', withTitle(`"${'x'.repeat(500_000)}"`), '400 VALIDATION_FAILED'],
    ['with a title of whitespace', withTitle('" \\t\\n "'), '400 VALIDATION_FAILED'],
    ['over the limit of a megabyte', withTitle(`"${'x'.repeat(1_048_576)}"`), '413 PAYLOAD_TOO_LARGE'],
  ])('%s gets the documented response', async (_what, body, expected) => {
    expect(await post(body)).toBe(expected);
  });

  it.each([
    ['text/plain', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['application/x-www-form-urlencoded', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['multipart/form-data; boundary=x', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['application/xml', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['application/jsonp', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['text/json', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['application/json/x', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['*/*', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['nonsense', '415 UNSUPPORTED_MEDIA_TYPE'],
    ['application/json; charset=utf-8', '201'],
    ['APPLICATION/JSON', '201'],
  ])('with the type %s returns %s', async (type, expected) => {
    expect(await post(withTitle('"x"'), { 'content-type': type })).toBe(expected);
  });

  it('without a type, or compressed, is refused', async () => {
    expect(await post(withTitle('"x"'), {})).toBe('415 UNSUPPORTED_MEDIA_TYPE');
    const packed = await post(Buffer.from('1f8b08', 'hex'), { ...JSON_TYPE, 'content-encoding': 'gzip' });
    expect(packed).toBe('415 CONTENT_ENCODING_UNSUPPORTED');
  });
});

describe('an id', () => {
  const uuid = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
  const ids = [
    '007', '%2042%20', '42', '-1', '9223372036854775808', '1e3', '0x10', 'null', 'undefined', 'NaN', '%00', `${uuid}%00`, `%20${uuid}`,
    `${uuid}%0A`, `{${uuid}}`, uuid.replaceAll('-', ''), `urn:uuid:${uuid}`, `${uuid}/..`, '%2e%2e', '..%2f..', "'%20OR%201=1--", '__proto__',
    'constructor', '%F0%9F%98%80', '%EF%BC%90'.repeat(8), 'x'.repeat(128), `${uuid};x`, `${uuid},${uuid}`, '*', '%25', '$where', '[object%20Object]',
  ]; // prettier-ignore
  it.each(ids)('"%s" is refused before the database is read', async (id) => {
    for (const path of [`/api/tasks/${id}`, `/api/users/${id}`])
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE']) {
        const body = method === 'PUT' || method === 'PATCH' ? { headers: JSON_TYPE, body: '{}' } : {};
        expect(['400 VALIDATION_FAILED', '404 ROUTE_NOT_FOUND']).toContain(await outcome({ method, path, ...body }));
      }
    expect(await outcome({ method: 'DELETE', path: `/api/auth/sessions/${id}` })).toMatch(/^40[04] /);
    expect(await outcome({ method: 'GET', path: `/problems/${id}` })).toMatch(/^404 /);
  });
});

describe('a query', () => {
  it.each([
    'limit=1&limit=2', 'status=TODO&status=DONE', 'sort=priority&sort=-priority', 'cursor=a&cursor=b', 'q=a&q=b', 'deleted=true&deleted=false',
    'dueBefore=2030-01-01T00:00:00Z&dueBefore=x', 'limit[]=5', 'limit[$gt]=5', 'q[a]=b', '__proto__[role]=ADMIN',
    'constructor[prototype][x]=1', 'q=%00', 'q=a%00b', 'unknown=1', '=x',
    'deleted=TRUE', 'deleted=1', 'deleted=', 'q=', 'status=todo', 'status=', 'priority=0', 'priority=6', 'priority=3.0', 'priority=9223372036854775808',
    'dueBefore=now', 'dueBefore=infinity', 'dueBefore=epoch', 'dueBefore=2030-02-30T00:00:00Z', 'dueBefore=2030-01-01', 'dueBefore=0',
    'dueBefore=1969-12-31T23:59:59Z', 'dueBefore=2200-01-01T00:00:00Z', 'dueBefore=%2B275760-09-13T00:00:00Z', `q=${'x'.repeat(201)}`,
    `cursor=${'A'.repeat(501)}`, 'cursor=%00', 'cursor=', 'sort=__proto__', 'sort=-', 'sort=createdAt%00', 'sort=row.id;DROP TABLE tasks',
  ])('?%s is refused', async (query) => {
    expect(await outcome({ method: 'GET', path: `/api/tasks?${query.replaceAll(' ', '%20')}` })).toBe('400 VALIDATION_FAILED');
  }); // prettier-ignore

  it.each(['__proto__=x', 'constructor=x', 'prototype=x', 'hasOwnProperty=x', 'toString=x', 'q=%ED%A0%80', 'q=%FF'])(
    '?%s is refused or has no effect',
    async (query) => {
      expect(await outcome({ method: 'GET', path: `/api/tasks?${query}` })).toMatch(/^(200|400 VALIDATION_FAILED)$/);
      expect(({} as Record<string, unknown>)['x']).toBeUndefined();
    },
  );

  it('with a thousand parameters, or of 10 KiB, is refused', async () => {
    const many = Array.from({ length: 1_000 }, (_, i) => `k${i}=1`).join('&');
    expect(await outcome({ method: 'GET', path: `/api/tasks?${many}` })).toBe('400 VALIDATION_FAILED');
    expect(await outcome({ method: 'GET', path: `/api/tasks?q=${'x'.repeat(10_240)}` })).toBe('400 VALIDATION_FAILED');
  });

  it('that contains SQL, a pattern or a script is treated as text', async () => {
    for (const q of [
      "'; DROP TABLE tasks; --",
      '\\',
      '%',
      '_',
      '.*(a+)+$',
      '<script>alert(1)</script>',
      '$1',
      '${7*7}',
      ':q',
      'a\u202eb',
      '😀',
    ])
      expect(await outcome({ method: 'GET', path: `/api/tasks?q=${encodeURIComponent(q)}` })).toBe('200');
    expect((await root.api.get<Page<Task>>(`/api/tasks?q=${encodeURIComponent('%')}`)).body.items).toEqual([]);
    expect(await outcome({ method: 'GET', path: `/api/tasks?q=${encodeURIComponent('\u202e')}` })).toBe(
      '400 VALIDATION_FAILED', // no visible character
    );
  });
});

/** JSON texts that the schema does not allow. */
function wrongFor(schema: Schema): string[] {
  const wrong = ['true', '1.5', '-9223372036854775809', '1e400'];
  if (schema.type !== 'object') wrong.push('{}', '{"a":1}');
  if (!schema.nullable) wrong.push('null');
  if (schema.type !== 'array') wrong.push('[]', '["x"]', '[null]');
  if (schema.type !== 'string') wrong.push('"x"', '"5"', '""');
  if (schema.type === 'array')
    wrong.push('[1]', '[null]', '[{}]', '[[]]', `[${'"x",'.repeat(schema.maxItems ?? 500)}"x"]`);
  const [first = ''] = schema.enum ?? [];
  const inOtherCase = first === first.toLowerCase() ? first.toUpperCase() : first.toLowerCase();
  if (schema.enum) wrong.push('"NOPE"', '""', `"${inOtherCase}"`);
  if (schema.format === 'date-time') wrong.push('"now"', '"2030-02-30T00:00:00Z"', '"2030-01-01"', '0', '""');
  if (schema.format === 'email') wrong.push('"nobody"', '"a@b@c.de"', `"${'x'.repeat(250)}@example.com"`);
  if (schema.minLength) wrong.push(JSON.stringify('x'.repeat(schema.minLength - 1)));
  if (schema.maxLength) wrong.push(JSON.stringify('x'.repeat(schema.maxLength + 1)));
  if (schema.minimum !== undefined) wrong.push(`${schema.minimum - 1}`);
  if (schema.maximum !== undefined) wrong.push(`${schema.maximum + 1}`);
  return wrong;
}

it('every field of every body is refused in every wrong type and over every limit of the OpenAPI document', async () => {
  let tried = 0;
  for (const { method, path: pattern, body } of operations) {
    if (!body?.properties) continue;
    const example = exampleOf(body) as object;
    const path = pattern.replace('{id}', '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11');
    for (const [name, schema] of Object.entries(body.properties)) {
      const texts = [...wrongFor(schema), ...(body.required?.includes(name) ? ['undefined'] : [])];
      for (const text of texts) {
        const sent = JSON.stringify({ ...example, [name]: text === 'undefined' ? undefined : '@@' }).replace(
          '"@@"',
          () => text,
        );
        const answer = await outcome({ method, path, headers: JSON_TYPE, body: sent });
        expect([method, path, name, text, answer]).toEqual([method, path, name, text, '400 VALIDATION_FAILED']);
        tried++;
      }
    }
  }
  expect(tried).toBeGreaterThan(400);
});
