// Checks authentication and roles on every route of the OpenAPI document, and paths that try to bypass the guard.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Task } from '../support/http/api.js';
import { exampleOf, type Operation, readOperations } from '../support/http/openapi.js';
import { type Catalogue, faultsOf, readCatalogue } from '../support/problems.js';
import { send } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

/** Public routes. The list is written by hand, so that each new public route is reviewed. */
const PUBLIC = [
  'GET /api/files/{id}/content', // of a public bucket, else 404
  'GET /api/files/{id}/thumbnail',
  'GET /api/links/{token}', // with the token of a link
  'GET /health',
  'GET /health/live',
  'GET /health/ready',
  'GET /health/startup',
  'GET /ping',
  'GET /problems',
  'GET /problems/{code}',
  'OPTIONS /api/uploads',
  'POST /api/auth/login',
  'POST /api/auth/refresh',
  'POST /api/auth/register',
];
/** Routes that an ordinary user may not call. */
const FOR_ADMINISTRATORS = [
  'DELETE /api/buckets/{id}',
  'DELETE /api/cache',
  'DELETE /api/dead-letters/{id}',
  'DELETE /api/users/{id}',
  'GET /api/audit-logs',
  'GET /api/cache-status',
  'GET /api/dead-letters',
  'GET /api/dead-letters/{id}',
  'GET /api/jobs/stats',
  'GET /api/schedules',
  'GET /api/users',
  'PATCH /api/buckets/{id}',
  'PATCH /api/users/{id}',
  'POST /api/buckets',
  'POST /api/buckets/{id}/restore',
  'POST /api/dead-letters/replay',
  'POST /api/dead-letters/{id}/replay',
  'POST /api/files/{id}/restore',
  'POST /api/schedules/{name}/run',
  'POST /api/tasks/{id}/restore',
  'POST /api/users',
  'POST /api/users/{id}/restore',
  'PUT /api/buckets/{id}',
  'PUT /api/users/{id}',
];
const ID = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';

let server: TestServer;
let catalogue: Catalogue;
let operations: Operation[];
let ada: Person;
let root: Person;
let task: Task;
beforeAll(async () => {
  server = await startServer();
  catalogue = await readCatalogue(server.api);
  operations = await readOperations(server.api);
  ada = await server.registerUser();
  root = await server.makeAdmin();
  task = (await ada.api.post<Task>('/api/tasks', { title: 'A secret of Ada' })).body;
});
afterAll(() => server.close());

const nameOf = ({ method, path }: Operation): string => `${method} ${path}`;

/** Sends a valid request to an operation, as the given caller. */
async function call({ method, path, body }: Operation, token?: string, prefix = '/api') {
  const answer = await send(server.port, {
    method,
    path: path
      .replace('{id}', ID)
      .replace('{code}', 'CONFLICT')
      .replace('{name}', 'jobs.cleanup')
      .replace('/api', prefix),
    headers: {
      ...(token && { authorization: `Bearer ${token}` }),
      ...(body && { 'content-type': 'application/json' }),
    },
    ...(body && { body: JSON.stringify(exampleOf(body)) }),
  });
  expect(faultsOf(answer, catalogue, method)).toEqual([]);
  return answer;
}

describe.each(['/api', '/api/v1'])('routes under %s', (prefix) => {
  it('every route returns 401 without a token, except the listed public ones', async () => {
    expect(operations.length).toBeGreaterThan(30);
    const open: string[] = [];
    for (const operation of operations) {
      const { status, text } = await call(operation, undefined, prefix);
      if (status === 401 && (operation.method === 'HEAD' || text.includes('"UNAUTHENTICATED"'))) continue;
      open.push(nameOf(operation));
    }
    expect(open.sort()).toEqual(PUBLIC);
  });

  it('the routes for administrators return 403 to a user, and not to an administrator', async () => {
    const forbidden: Record<string, string[]> = { user: [], administrator: [] };
    for (const operation of operations) {
      if (PUBLIC.includes(nameOf(operation)) || operation.path.startsWith('/api/auth/')) continue;
      for (const [who, person] of Object.entries({ user: ada, administrator: root }))
        if ((await call(operation, person.accessToken, prefix)).status === 403) forbidden[who]?.push(nameOf(operation));
    }
    expect(forbidden['user']?.sort()).toEqual(FOR_ADMINISTRATORS);
    expect(forbidden['administrator']).toEqual([]);
  });
});

describe('a path that is almost that of a route', () => {
  it.each([
    '/api//tasks', '//api/tasks', '/API/tasks', '/Api/Tasks', '/api/TASKS', '/api/tasks/', '/api/%74asks', '/%61pi/tasks', '/api/tasks;x', '/api;x/tasks',
    '/api/tasks;jsessionid=1', '/api/tasks.', '/api/tasks..', '/api/tasks.json', '/api./tasks', '/api/./tasks', '/api/x/../tasks', '/api/%2e/tasks',
    '/health/../api/tasks', '/health/%2e%2e/api/tasks', '/health/live/..%2f..%2fapi/tasks', '/health/..;/api/tasks', '/docs/../api/tasks',
    '/docs/%2e%2e/api/tasks', '/docs/..%2fapi%2ftasks', '/docs%2f..%2fapi%2ftasks', '/api%2ftasks', '/api/tasks%2f', '/api%2Ftasks', '/api\\tasks',
    '/api%5ctasks', '/api/tasks%00', '/api/tasks%20', '/api/tasks%0d%0a', '/api/tasks%3f', '/api/tasks%23', '/api/tasks#x', '/api/tasks/%2e', '/api/tasks/.',
    '/api/tasks/..', '/api/v1//tasks', '/api/v2/tasks', '/api/v01/tasks', '/api/V1/tasks', '/v1/api/tasks', '/tasks', '/api/api/tasks', '/api/v1/v1/tasks',
    '/api/tasks?', '/api/tasks?/health', '/api/tasks?public=true', '/api/%25%37%34asks', '/api/%u0074asks', '/api/%EF%BD%94asks', '/api/tasks/?x', '/.env', '/docs/../../../etc/passwd',
    '/docs/..%2f..%2f..%2fpackage.json', '/docs/%2e%2e%2fpackage.json', '/api/tasks/ID/', '/api/tasks//ID', '/api/tasks/ID/.',
    '/api/tasks/ID;x', '/api/tasks/ID%00', '/api/tasks/ID.json', '/API/tasks/ID', '/api/users/../tasks/ID', '/problems/../api/tasks/ID', '/problems/..%2fapi%2ftasks%2fID',
  ])('%s leads to no data without a token', async (pattern) => {
    for (const method of ['GET', 'HEAD', 'POST', 'DELETE']) {
      const path = pattern.replace('ID', task.id);
      const answer = await send(server.port, { method, path, headers: { connection: 'close' } });
      expect([method, answer.status >= 400 && answer.status < 500]).toEqual([method, true]);
      expect(faultsOf(answer, catalogue, method)).toEqual([]);
      expect(answer.text).not.toMatch(/A secret of Ada|"items"|dependencies|root:/);
    }
  }); // prettier-ignore

  it('reaches no other route than the guard checked, not even with a token', async () => {
    for (const path of ['/api//tasks', '/API/tasks', '/api/tasks/', '/api/tasks;x', '/api/tasks.', '/api%2ftasks'])
      expect((await ada.api.get(path)).status).toBe(404);
  });
});

it('headers that claim another path, method, host or user change nothing', async () => {
  const claims: Array<Record<string, string>> = [
    { 'x-original-url': '/health/live', 'x-rewrite-url': '/health/live', 'x-forwarded-path': '/health/live' },
    { 'x-http-method-override': 'OPTIONS', 'x-method-override': 'HEAD', 'x-http-method': 'OPTIONS' },
    {
      'x-forwarded-user': root.user.id,
      'x-user-id': root.user.id,
      'x-real-ip': '127.0.0.1',
      'x-forwarded-for': '127.0.0.1',
    },
    { 'x-forwarded-host': 'localhost', forwarded: 'for=127.0.0.1;host=localhost' },
  ];
  for (const headers of claims) expect((await server.api.get('/api/tasks', { headers })).status).toBe(401);
});
