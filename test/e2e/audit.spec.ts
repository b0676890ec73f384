// Checks the audit log: a line for each use of a permission (a walk over all such routes), for logins, and no secret in any.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AuditEntry, Page, Task, User } from '../support/http/api.js';
import { exampleOf, type Operation, readOperations } from '../support/http/openapi.js';
import { send } from '../support/http/raw-http.js';
import { PASSWORD, type Person, startServer, type TestServer } from '../support/server/server.js';
import { uploadFile } from '../support/jobs/job-requests.js';

let server: TestServer;
let ada: Person;
let root: Person;
beforeAll(async () => {
  server = await startServer({ FILE_RETENTION: '30' });
  [ada, root] = [await server.registerUser(), await server.makeAdmin()];
});
afterAll(() => server.close());

const nameOf = ({ method, path }: Operation): string => `${method} ${path}`;

/** The newest lines first. */
async function lines(): Promise<AuditEntry[]> {
  return (await root.api.get<Page<AuditEntry>>('/api/audit-logs?limit=100')).body.items;
}

/** Routes that a user may not call: those that need a permission. */
async function routesWithPermission(): Promise<string[]> {
  const found: string[] = [];
  for (const operation of await readOperations(server.api)) {
    const { method, body } = operation;
    if (method === 'HEAD' || operation.path.startsWith('/api/auth/')) continue;
    const path = operation.path
      .replace('{id}', randomUUID())
      .replace('{name}', 'jobs.cleanup')
      .replace(/\{.*?\}/, 'x');
    const headers = {
      authorization: `Bearer ${ada.accessToken}`,
      ...(body && { 'content-type': 'application/json' }),
    };
    const answer = await send(server.port, {
      method,
      path,
      headers,
      ...(body && { body: JSON.stringify(exampleOf(body)) }),
    });
    if (answer.status === 403) found.push(nameOf(operation));
  }
  return found.sort();
}

async function makeUser(): Promise<string> {
  const { body } = await root.api.post<User>('/api/users', { username: `u${randomUUID().slice(0, 8)}` });
  return body.id;
}

async function deleted(path: string, by: Person): Promise<string> {
  expect((await by.api.delete(path)).status).toBe(204);
  return path;
}

async function deadLetter(): Promise<string> {
  const id = randomUUID();
  await server.sql(
    `INSERT INTO jobs (id, uuid, type, queue, payload, status, attempt, max_attempts, reason, finished_at, errors)
     VALUES (floor(random() * 1e9)::bigint, $1, 'test.gone', 'reports', '{}', 'FAILED', 2, 2, 'JOB_TIMED_OUT', now(), '[]')`,
    id,
  );
  return id;
}

async function makeBucket(): Promise<string> {
  const { body } = await root.api.post<{ id: string }>('/api/buckets', { name: `b${randomUUID().slice(0, 8)}` });
  return body.id;
}

/** A successful call of each route that needs a permission. Returns the status. */
const CALLS: Record<string, () => Promise<{ status: number }>> = {
  'DELETE /api/buckets/{id}': async () => root.api.delete(`/api/buckets/${await makeBucket()}`),
  'DELETE /api/cache': () => root.api.delete('/api/cache'),
  'DELETE /api/dead-letters/{id}': async () => root.api.delete(`/api/dead-letters/${await deadLetter()}`),
  'DELETE /api/users/{id}': async () => root.api.delete(`/api/users/${await makeUser()}`),
  'GET /api/audit-logs': () => root.api.get('/api/audit-logs'),
  'GET /api/cache-status': () => root.api.get('/api/cache-status'),
  'GET /api/dead-letters': () => root.api.get('/api/dead-letters'),
  'GET /api/dead-letters/{id}': async () => root.api.get(`/api/dead-letters/${await deadLetter()}`),
  'GET /api/jobs/stats': () => root.api.get('/api/jobs/stats'),
  'GET /api/schedules': () => root.api.get('/api/schedules'),
  'GET /api/users': () => root.api.get('/api/users'),
  'PATCH /api/buckets/{id}': async () => root.api.patch(`/api/buckets/${await makeBucket()}`, { maxFileSize: 5 }),
  'PATCH /api/users/{id}': async () => root.api.patch(`/api/users/${await makeUser()}`, { age: 5 }),
  'POST /api/buckets': () => root.api.post('/api/buckets', { name: 'audited' }),
  'POST /api/buckets/{id}/restore': async () =>
    root.api.post(`${await deleted(`/api/buckets/${await makeBucket()}`, root)}/restore`),
  'POST /api/dead-letters/replay': async () => {
    await deadLetter();
    return root.api.post('/api/dead-letters/replay', { type: 'test.gone' });
  },
  'POST /api/dead-letters/{id}/replay': async () => root.api.post(`/api/dead-letters/${await deadLetter()}/replay`),
  'POST /api/files/{id}/restore': async () => {
    const id = await uploadFile(ada, 'text');
    return root.api.post(`${await deleted(`/api/files/${id}`, ada)}/restore`);
  },
  'POST /api/schedules/{name}/run': () => root.api.post('/api/schedules/jobs.cleanup/run'),
  'POST /api/tasks/{id}/restore': async () => {
    const { id } = (await ada.api.post<Task>('/api/tasks', { title: 'x' })).body;
    return root.api.post(`${await deleted(`/api/tasks/${id}`, ada)}/restore`);
  },
  'POST /api/users': () => root.api.post('/api/users', { username: 'audited' }),
  'POST /api/users/{id}/restore': async () =>
    root.api.post(`${await deleted(`/api/users/${await makeUser()}`, root)}/restore`),
  'PUT /api/buckets/{id}': async () => root.api.put(`/api/buckets/${await makeBucket()}`, { maxFileSize: 6 }),
  'PUT /api/users/{id}': async () => root.api.put(`/api/users/${await makeUser()}`, { age: 6 }),
};

it('every route that needs a permission leaves a line with the actor, the address and the request', async () => {
  expect(await routesWithPermission()).toEqual(Object.keys(CALLS));
  for (const [route, call] of Object.entries(CALLS)) {
    const answer = (await call()) as Awaited<ReturnType<typeof root.api.get>>;
    expect([route, answer.status < 300]).toEqual([route, true]);
    const requestId = answer.headers.get('x-request-id');
    const found = (await lines()).filter((line) => line.requestId === requestId);
    expect([route, found.length > 0]).toEqual([route, true]);
    for (const line of found) expect(line).toMatchObject({ actorId: root.user.id, address: '127.0.0.1' });
  }
});

it('a read of objects of others, by a filter or by id, leaves a line; of own ones it leaves none', async () => {
  const { body: job } = await ada.api.post<{ id: string }>('/api/jobs', { type: 'report.pdf', payload: {} });
  const reads: Array<[path: string, permission: string, subject: string | null]> = [
    ['/api/tasks?deleted=true', 'deleted:read', null],
    ['/api/files?deleted=true', 'deleted:read', null],
    ['/api/buckets?deleted=true', 'deleted:read', null],
    ['/api/jobs?all=true', 'jobs:read', null],
    [`/api/jobs/${job.id}`, 'jobs:read', job.id],
    [`/api/users/${ada.user.id}`, 'users:read', ada.user.id],
  ];
  const empty = await root.api.patch(`/api/users/${ada.user.id}`, {}); // changes nothing, and returns the user
  const ofEmpty = (await lines()).filter((line) => line.requestId === empty.headers.get('x-request-id'));
  expect(ofEmpty).toMatchObject([{ action: 'permission.used', details: { permission: 'users:write' } }]);
  for (const [path, permission, subjectId] of reads) {
    const requestId = (await root.api.get(path)).headers.get('x-request-id');
    const route = `GET ${path.replace(/\?.*/, '').replace(/[^/]*-[^/]*$/, ':id')}`;
    const found = (await lines()).filter((line) => line.requestId === requestId);
    expect(found).toMatchObject([{ action: 'permission.used', actorId: root.user.id, subjectId }]);
    expect(found[0]?.details).toEqual({ permission, route });
  }
  for (const [path] of reads.slice(4)) expect((await ada.api.get(path)).status).toBe(200);
  expect((await lines()).filter(({ actorId }) => actorId === ada.user.id)).not.toContainEqual(
    expect.objectContaining({ action: 'permission.used' }),
  );
});

describe('the list', () => {
  it('is filtered by action, actor, object and time', async () => {
    const id = await makeUser();
    const all = await lines();
    const find = async (query: string) =>
      (await root.api.get<Page<AuditEntry>>(`/api/audit-logs?limit=100&${query}`)).body.items;
    expect((await find(`subjectId=${id}`)).map(({ action }) => action)).toEqual(['user.created']);
    expect(await find(`actorId=${ada.user.id}&action=cache.cleared`)).toEqual([]);
    const mine = await find(`actorId=${root.user.id}&action=user.created`);
    expect(mine.length).toBeGreaterThan(0);
    for (const line of mine) expect(line).toMatchObject({ actorId: root.user.id, action: 'user.created' });
    const { createdAt } = all.find(({ subjectId }) => subjectId === id) as AuditEntry;
    expect((await find(`since=${createdAt}&subjectId=${id}`)).length).toBe(1);
    expect((await find(`until=${createdAt}&subjectId=${id}`)).length).toBe(0);
    expect((await root.api.get('/api/audit-logs?actorId=ada')).status).toBe(400);
  });

  it('is a CSV file for a client that prefers one, with all matching entries', async () => {
    const bob = await server.registerUser('Bob');
    for (let n = 0; n < 3; n++) await bob.api.patch('/api/profile', { name: `=cmd ${n}` });
    const query = `?subjectId=${bob.user.id}&action=user.updated&limit=1`;
    const asCsv = { headers: { accept: 'text/csv' } };
    const headers = { ...asCsv.headers, authorization: `Bearer ${root.accessToken}` };
    const answer = await fetch(`${server.url}/api/audit-logs${query}`, { headers });
    expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
    expect(answer.headers.get('content-disposition')).toBe('attachment; filename="audit-log.csv"');
    const rows = (await answer.text()).trimEnd().split('\r\n');
    expect(rows[0]).toBe('id,createdAt,action,actorId,subjectId,requestId,address,details');
    expect(rows.slice(1)).toHaveLength(3);
    for (const row of rows.slice(1)) expect(row).toContain(`user.updated,${bob.user.id},${bob.user.id}`);
    expect((await ada.api.get('/api/audit-logs', asCsv)).status).toBe(403);
  });
});

describe('the line', () => {
  it('of a change has the earlier values of what changed and the row after it', async () => {
    const kim = await server.registerUser('Kim');
    const { body: user } = await kim.api.patch<User>('/api/profile', { name: 'Kim the second', age: null });
    const [line] = (await lines()).filter(({ subjectId }) => subjectId === kim.user.id);
    expect(line).toMatchObject({ action: 'user.updated', actorId: kim.user.id });
    expect(line?.details).toEqual({ before: { name: 'Kim' }, after: user });
  });

  it('of a long value has its length and hash instead', async () => {
    const eve = await server.registerUser('Eva');
    const hobbies = Array.from({ length: 50 }, (_, n) => `${n}-${'x'.repeat(90)}`);
    expect((await eve.api.patch('/api/profile', { hobbies })).status).toBe(200);
    const [line] = (await lines()).filter(({ subjectId }) => subjectId === eve.user.id);
    expect(line?.details).toMatchObject({
      before: { hobbies: [] },
      after: { hobbies: { bytes: expect.any(Number), sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }, name: 'Eva' },
    });
    expect(JSON.stringify(line).length).toBeLessThan(2_000);
  });

  it('of a refused change is not written', async () => {
    const id = await makeUser();
    const headers = { 'if-match': '"9"' };
    expect((await root.api.patch(`/api/users/${id}`, { name: 'y' }, { headers })).status).toBe(412);
    expect((await ada.api.patch(`/api/users/${id}`, { name: 'y' })).status).toBe(403);
    expect((await lines()).filter(({ subjectId }) => subjectId === id).map(({ action }) => action)).toEqual([
      'user.created',
    ]);
  });

  it('of a login, a failed login, a new password and the end of a session names the account', async () => {
    const eve = await server.registerUser('Eve');
    const device = await server.login(eve.email);
    await server.api.post('/api/auth/login', { email: eve.email, password: 'a wrong password' });
    await server.api.post('/api/auth/login', { email: 'nobody@example.com', password: 'a wrong password' });
    await eve.api.post('/api/auth/password', { currentPassword: PASSWORD, newPassword: 'Zebra quartz 77 loom' });
    expect((await device.api.get('/api/profile')).status).toBe(401);
    const all = (await lines()).toReversed();
    const found = all.slice(all.findIndex(({ subjectId }) => subjectId === eve.user.id));
    expect(found.map(({ action }) => action).slice(0, 7)).toEqual([
      'user.created',
      'session.opened',
      'session.opened',
      'login.failed',
      'login.failed', // of no account: it takes as long, and shows who guesses
      'user.password-changed',
      'session.ended',
    ]);
  });

  it('never contains a password, a hash, a token or a salt', async () => {
    const [{ text } = { text: '' }] = await server.sql<{ text: string }>(
      `SELECT string_agg(details::text, '\n') AS text FROM audit_log`,
    );
    expect(text.length).toBeGreaterThan(1_000);
    const salts = await server.sql<{ salt: string }>('SELECT salt FROM sessions');
    for (const secret of [
      PASSWORD,
      ada.refreshToken,
      ada.accessToken,
      'scrypt',
      'argon',
      ...salts.map(({ salt }) => salt),
    ])
      expect(text).not.toContain(secret);
  });
});
