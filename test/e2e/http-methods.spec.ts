// Checks every path of the OpenAPI document with every method: undocumented ones return 405, and OPTIONS lists the others.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type Catalogue, faultsOf, readCatalogue } from '../support/problems.js';
import { send, sendBytes } from '../support/http/raw-http.js';
import { startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(120_000);

const APP = 'https://app.example.com';
const ID = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'PURGE'];
/** Paths outside of the document. */
const PAGES = ['/docs', '/docs/', '/docs/openapi.json'];

let server: TestServer;
let catalogue: Catalogue;
/** The methods of each path, without OPTIONS. */
let served: Map<string, string[]>;

beforeAll(async () => {
  server = await startServer({ CORS_ORIGINS: APP });
  catalogue = await readCatalogue(server.api);
  const { body } = await server.api.get<{ paths: Record<string, object> }>('/docs/openapi.json');
  served = new Map(PAGES.map((path) => [path, ['GET', 'HEAD']]));
  for (const [pattern, item] of Object.entries(body.paths)) {
    const named = Object.keys(item).map((method) => method.toUpperCase());
    const methods = [...new Set([...named, ...(named.includes('GET') ? ['HEAD'] : [])])].filter((m) => m !== 'OPTIONS');
    const path = pattern.replace(/\{\w+\}/g, ID);
    served.set(path, methods);
    if (path.startsWith('/api/')) served.set(path.replace('/api/', '/api/v1/'), methods);
  }
});
afterAll(() => server.close());

const inOrder = (methods: string[]): string => [...methods].sort().join();
const allowOf = (header = ''): string => inOrder(header.split(', '));

it('the OpenAPI document has the paths that this file checks', () => {
  expect(served.size).toBeGreaterThan(80);
  expect(served.get('/api/tasks/bulk')).toEqual(['POST']);
  expect(served.get(`/api/v1/tasks/${ID}`)?.sort()).toEqual(['DELETE', 'GET', 'HEAD', 'PATCH', 'PUT']);
});

it('every undocumented method of every path returns 405 with Allow, and reads no body', async () => {
  const faults: string[] = [];
  for (const [path, methods] of served)
    for (const method of METHODS.filter((one) => !methods.includes(one))) {
      const answer = await send(server.port, { method, path, headers: { origin: APP } });
      const wrong = faultsOf(answer, catalogue, method);
      if (answer.status !== 405) wrong.push(`${answer.status}`);
      if (allowOf(answer.headers['allow']) !== inOrder([...methods, 'OPTIONS']))
        wrong.push(`Allow: ${answer.headers['allow']}`);
      faults.push(...wrong.map((fault) => `${method} ${path}: ${fault}`));
    }
  expect(faults).toEqual([]);
});

it('OPTIONS on every path returns 204 with Allow and no body', async () => {
  const faults: string[] = [];
  for (const [path, methods] of served) {
    const { status, headers, text } = await send(server.port, { method: 'OPTIONS', path });
    if (status !== 204 || text !== '' || allowOf(headers['allow']) !== inOrder([...methods, 'OPTIONS']))
      faults.push(`OPTIONS ${path}: ${status} ${headers['allow']} ${text}`);
  }
  expect(faults).toEqual([]);
});

it('a preflight on every path gets the CORS headers', async () => {
  const headers = { origin: APP, 'access-control-request-method': 'PATCH' };
  for (const path of [...served.keys(), '/nowhere']) {
    const answer = await send(server.port, { method: 'OPTIONS', path, headers });
    expect([path, answer.status, answer.headers['access-control-allow-origin']]).toEqual([path, 204, APP]);
    expect(answer.headers['access-control-allow-methods']).toContain('PATCH');
  }
});

describe('a path without a route returns 404 for every method:', () => {
  it.each([
    '/',
    '/nowhere',
    '/api',
    '/api/tasks/',
    '//api/tasks',
    '/api//tasks',
    '/api/tasks;x=1',
    '/api%2Ftasks',
    '/API/tasks',
  ])('%s', async (path) => {
    for (const method of [...METHODS, 'OPTIONS']) {
      const answer = await send(server.port, { method, path });
      expect([method, answer.status, faultsOf(answer, catalogue, method)]).toEqual([method, 404, []]);
    }
  });
});

it('OPTIONS * lists the methods that the server supports', async () => {
  const answer = await sendBytes(server.port, 'OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  expect([answer?.status, answer?.headers['allow']]).toEqual([204, 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS']);
});

it('a 405 in a batch has the Allow header too', async () => {
  const { api } = await server.registerUser();
  const requests = [{ id: 'a', method: 'DELETE', path: '/api/tasks' }];
  const { body } = await api.post<{ responses: unknown[] }>('/api/batch', { requests });
  expect(body.responses).toMatchObject([{ status: 405, headers: { allow: expect.stringContaining('POST') } }]);
});
