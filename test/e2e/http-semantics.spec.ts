// Checks HTTP semantics of RFC 9110: preconditions, content codings, empty bodies, auth schemes and content negotiation.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { gzipSync } from 'node:zlib';
import type { Task } from '../support/http/api.js';
import { type Catalogue, faultsOf, readCatalogue } from '../support/problems.js';
import { type RawAnswer, send, sendBytes } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { Tus } from '../support/http/tus.js';

let server: TestServer;
let catalogue: Catalogue;
let ada: Person;
beforeAll(async () => {
  server = await startServer();
  catalogue = await readCatalogue(server.api);
  ada = await server.registerUser();
});
afterAll(() => server.close());

async function newTask(): Promise<{ path: string; version: number }> {
  const { body } = await ada.api.post<Task>('/api/tasks', { title: 'One' });
  return { path: `/api/tasks/${body.id}`, version: body.version };
}

function ask(method: string, path: string, headers: Record<string, string>, body?: string | Uint8Array) {
  const all = { authorization: `Bearer ${ada.accessToken}`, ...headers };
  return send(server.port, { method, path, headers: all, ...(body !== undefined && { body }) });
}

function expectProblem(answer: RawAnswer, status: number, code: string): void {
  expect([answer.status, faultsOf(answer, catalogue)]).toEqual([status, []]);
  expect((JSON.parse(answer.text) as { code: string }).code).toBe(code);
}

describe('If-None-Match on a change', () => {
  const JSON_TYPE = { 'content-type': 'application/json' };
  const change = (method: string, path: string, tags: Record<string, string>) =>
    ask(method, path, { ...JSON_TYPE, ...tags }, method === 'DELETE' ? undefined : '{"title":"Two"}');

  it.each(['PUT', 'PATCH', 'DELETE'])(
    'with * or the current tag refuses %s, with other tags it does not',
    async (method) => {
      const { path } = await newTask();
      for (const tags of ['*', '"1"', 'W/"1"', '"7", "1"', ' "1" '])
        expectProblem(await change(method, path, { 'if-none-match': tags }), 412, 'VERSION_STALE');
      expect((await ada.api.get<Task>(path)).body).toMatchObject({ title: 'One', version: 1 });
      const { status } = await change(method, path, { 'if-none-match': '"7", "other"' });
      expect(status).toBe(method === 'DELETE' ? 204 : 200);
    },
  );

  it('is evaluated together with If-Match', async () => {
    const { path } = await newTask();
    const both = (match: string, none: string) => change('PATCH', path, { 'if-match': match, 'if-none-match': none });
    expectProblem(await both('"1"', '"1"'), 412, 'VERSION_STALE');
    expectProblem(await both('*', '"1"'), 412, 'VERSION_STALE');
    expectProblem(await both('"2"', '"3"'), 412, 'VERSION_STALE');
    expect((await both('"1"', '"2"')).status).toBe(200);
  });

  it('returns 404 on a missing resource, and 400 without a valid tag', async () => {
    const path = '/api/tasks/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
    for (const tags of ['*', '"1"'])
      expectProblem(await change('PATCH', path, { 'if-none-match': tags }), 404, 'TASK_NOT_FOUND');
    const { path: there } = await newTask();
    expectProblem(await change('PATCH', there, { 'if-none-match': 'nonsense' }), 400, 'BAD_REQUEST');
  });

  it('refuses to cancel a job too', async () => {
    const runAt = new Date(Date.now() + 3_600_000).toISOString();
    const { status, body } = await ada.api.post<{ id: string; version: number }>('/api/jobs', {
      type: 'report.pdf',
      payload: {},
      runAt,
    });
    expect([status, body]).toEqual([202, expect.objectContaining({ version: 1 })]);
    const path = `/api/jobs/${body.id}`;
    expectProblem(await change('DELETE', path, { 'if-none-match': '*' }), 412, 'VERSION_STALE');
    expectProblem(await change('DELETE', path, { 'if-none-match': `"${body.version}"` }), 412, 'VERSION_STALE');
    expect((await change('DELETE', path, { 'if-none-match': `"${body.version + 1}"` })).status).toBe(204);
  });
});

describe('If-Match on a read', () => {
  it.each(['GET', 'HEAD'])('returns 412 for %s when it is stale, weak, or of another resource', async (method) => {
    const { path } = await newTask();
    for (const tags of ['"2"', 'W/"1"', '"x", "2"']) {
      const answer = await ask(method, path, { 'if-match': tags });
      expect(answer.status).toBe(412);
      if (method === 'GET') expectProblem(answer, 412, 'VERSION_STALE');
    }
    for (const tags of ['"1"', '*', '"2", "1"'])
      expect((await ask(method, path, { 'if-match': tags })).status).toBe(200);
  });

  it('comes before If-None-Match, which returns 304 only when If-Match holds', async () => {
    const { path } = await newTask();
    const both = (match: string, none: string) => ask('GET', path, { 'if-match': match, 'if-none-match': none });
    expect((await both('"2"', '"1"')).status).toBe(412);
    expect((await both('"1"', '"1"')).status).toBe(304);
  });

  it('on the content of a file compares with the tag of the content', async () => {
    const path = `/api/files/${await new Tus(ada.api).complete(Buffer.from('hello'))}/content`;
    const { headers } = await ask('GET', path, {});
    expect((await ask('GET', path, { 'if-match': headers['etag'] as string })).status).toBe(200);
    expect((await ask('GET', path, { 'if-match': '"other"', range: 'bytes=0-1' })).status).toBe(412);
    expect((await ask('HEAD', path, { 'if-match': '"other"' })).status).toBe(412);
  });
});

describe('Content-Encoding', () => {
  const body = JSON.stringify({ title: 'Packed' });
  const JSON_TYPE = { 'content-type': 'application/json' };

  it.each(['gzip', 'br', 'deflate', 'zstd', 'identity, gzip', 'x'])('%s returns 415, and Accept-Encoding lists what is supported', async (coding) => {
    const answer = await ask('POST', '/api/tasks', { ...JSON_TYPE, 'content-encoding': coding }, gzipSync(body));
    expectProblem(answer, 415, 'CONTENT_ENCODING_UNSUPPORTED');
    expect(answer.headers['accept-encoding']).toBe('identity');
  }); // prettier-ignore

  it.each(['identity', 'IDENTITY', ''])('"%s" is accepted', async (coding) => {
    const { status } = await ask('POST', '/api/tasks', { ...JSON_TYPE, 'content-encoding': coding }, body);
    expect(status).toBe(201);
  });

  it('is refused on a file and on a part of an upload too', async () => {
    const form = { 'content-type': 'multipart/form-data; boundary=x', 'content-encoding': 'gzip' };
    expectProblem(await ask('POST', '/api/files', form, gzipSync('x')), 415, 'CONTENT_ENCODING_UNSUPPORTED');
    const part = { 'content-type': 'application/offset+octet-stream', 'content-encoding': 'gzip' };
    const tus = { 'tus-resumable': '1.0.0', 'upload-length': '5' };
    expectProblem(await ask('POST', '/api/uploads', { ...tus, ...part }, 'hello'), 415, 'CONTENT_ENCODING_UNSUPPORTED');
  });

  it('is ignored without a body', async () => {
    expect((await ask('GET', '/api/tasks', { 'content-encoding': 'gzip' })).status).toBe(200);
    const { path } = await newTask();
    expect((await ask('DELETE', path, { 'content-encoding': 'gzip' })).status).toBe(204);
  });
});

describe('an empty body on a route that needs none may have any type:', () => {
  const TYPES = [
    'application/json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'x',
  ];

  it.each(TYPES)('%s', async (type) => {
    for (const length of [{}, { 'content-length': '0' }] as Array<Record<string, string>>) {
      const { path } = await newTask();
      const answer = await ask('DELETE', path, { 'content-type': type, ...length });
      expect([answer.status, answer.text]).toEqual([204, '']);
      const tus = { 'tus-resumable': '1.0.0', 'upload-length': '5' };
      expect((await ask('POST', '/api/uploads', { 'content-type': type, ...tus, ...length })).status).toBe(201);
    }
    const eve = await server.registerUser('Eve');
    const headers = { authorization: `Bearer ${eve.accessToken}`, 'content-type': type };
    expect((await send(server.port, { method: 'POST', path: '/api/auth/logout', headers })).status).toBe(204);
  });

  it('in chunks too', async () => {
    const { path } = await newTask();
    const lines = [`DELETE ${path} HTTP/1.1`, 'Host: x', `Authorization: Bearer ${ada.accessToken}`];
    const bytes = [
      ...lines,
      'Content-Type: application/json',
      'Connection: close',
      'Transfer-Encoding: chunked',
      '',
      '0',
      '',
      '',
    ].join('\r\n');
    expect((await sendBytes(server.port, bytes))?.status).toBe(204);
  });

  it('but it is refused by its content on a route that needs one', async () => {
    expectProblem(
      await ask('POST', '/api/tasks', { 'content-type': 'application/json' }, ''),
      400,
      'VALIDATION_FAILED',
    );
    expectProblem(await ask('POST', '/api/tasks', {}), 400, 'VALIDATION_FAILED');
    const form = { 'content-type': 'multipart/form-data; boundary=x' };
    expectProblem(await ask('POST', '/api/files', form, ''), 400, 'VALIDATION_FAILED');
  });
});

it.each(['Bearer ', 'Bearer    ', 'bearer  ', 'BEARER '])('the scheme "%s" is accepted as Bearer', async (scheme) => {
  const authorization = scheme + ada.accessToken;
  expect((await ask('GET', '/api/profile', { authorization })).status).toBe(200);
  const fresh = await server.registerUser(); // a token that is not in the cache yet
  expect((await ask('GET', '/api/profile', { authorization: scheme + fresh.accessToken })).status).toBe(200);
});

it.each([
  [undefined, 'application/json'],
  ['*/*', 'application/json'],
  ['application/json', 'application/json'],
  ['application/*', 'application/json'],
  ['image/png', 'application/json'],
  ['text/html', 'text/html'],
  ['text/*', 'text/html'],
  ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'text/html'],
  ['application/xhtml+xml, text/html;q=0.9, */*;q=0.1', 'text/html'],
  ['text/html;q=0.5, application/json', 'application/json'],
  ['application/json;q=0.5, text/html', 'text/html'],
  ['text/html;q=0, */*', 'application/json'],
  ['nonsense', 'application/json'],
  [`${'a/b,'.repeat(20)}text/html`, 'text/html'],
  [`${'a/b,'.repeat(300)}text/html`, 'application/json'], // too long to be read
])('/problems with Accept: %s returns %s', async (accept, type) => {
  for (const path of ['/problems', '/problems/BAD_REQUEST']) {
    const answer = await send(server.port, { method: 'GET', path, headers: accept === undefined ? {} : { accept } });
    expect([answer.status, answer.headers['content-type']?.split(';')[0]]).toEqual([200, type]);
    expect(answer.headers['vary']?.split(', ')).toEqual(expect.arrayContaining(['Authorization', 'Accept']));
  }
});

describe('a response', () => {
  it('with 204 or 304 has no Content-Length', async () => {
    const { path } = await newTask();
    const unmodified = await ask('GET', path, { 'if-none-match': '"1"' });
    const deleted = await ask('DELETE', path, {});
    expect([unmodified.status, deleted.status]).toEqual([304, 204]);
    for (const { headers } of [unmodified, deleted]) expect(Object.keys(headers)).not.toContain('content-length');
  });

  it('ignores Range unless it is the content of a file', async () => {
    const { path } = await newTask();
    for (const target of [path, '/api/tasks', '/health/live', '/problems']) {
      const { status, headers } = await ask('GET', target, { range: 'bytes=0-1' });
      expect([target, status, headers['content-range']]).toEqual([target, 200, undefined]);
    }
  });

  it('to HEAD has the headers of GET', async () => {
    const { path } = await newTask();
    const changing = /^(date|x-request-id|ratelimit|connection|keep-alive)/;
    for (const target of [
      path,
      '/problems',
      '/problems/BAD_REQUEST',
      '/health/live',
      '/nowhere',
      '/docs/openapi.json',
    ]) {
      const [get, head] = [await ask('GET', target, {}), await ask('HEAD', target, {})];
      const steady = ({ headers }: RawAnswer) => Object.entries(headers).filter(([name]) => !changing.test(name));
      // The lengths differ, since the problem names the method.
      const length = ([name]: [string, string]) => name !== 'content-length' || target !== '/nowhere';
      expect([head.status, head.text]).toEqual([get.status, '']);
      expect(Object.fromEntries(steady(head).filter(length))).toEqual(Object.fromEntries(steady(get).filter(length)));
    }
  });
});
