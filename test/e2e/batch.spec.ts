// Checks the batch endpoint: each request in it behaves as it does alone.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Answer, Page, Problem, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

interface Answered<T = unknown> {
  id: string;
  status: number;
  headers: Record<string, string>;
  body: T;
}
interface Asked {
  id: string;
  method: string;
  path: string;
  body?: unknown;
  headers?: Record<string, string>;
}

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer({ DATABASE_POOL_SIZE: '4' });
  ada = await server.registerUser();
});
afterAll(() => server.close());

/** Returns the responses of the requests in the batch; throws unless the batch returned 207. */
async function run(requests: Asked[], api = ada.api, headers = {}): Promise<Answered[]> {
  const { status, body } = await api.post<{ responses: Answered[] }>('/api/batch', { requests }, { headers });
  if (status !== 207) throw new Error(`${status}: ${JSON.stringify(body)}`);
  return body.responses;
}

const get = (path: string, id = path): Asked => ({ id, method: 'GET', path });
const create = (title: string, id = title): Asked => ({ id, method: 'POST', path: '/api/tasks', body: { title } });
const statusesOf = (answers: Answered[]): number[] => answers.map(({ status }) => status);

describe('each request in a batch', () => {
  it('runs after the previous one and gets the same response as alone', async () => {
    const [created, listed] = (await run([create('First'), get('/api/tasks?limit=1'), get('/api/v1/profile')])) as [
      Answered<Task>,
      Answered<Page<Task>>,
    ];
    expect(created).toMatchObject({ id: 'First', status: 201, body: { title: 'First', version: 1 } });
    expect(created.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      etag: '"1"',
      location: `/api/tasks/${created.body.id}`,
    });
    expect(listed.body.items.map(({ title }) => title)).toEqual(['First']);
    const alone = await ada.api.get<Page<Task>>('/api/tasks?limit=1');
    expect(listed.body).toEqual(alone.body);
    expect(listed.headers['etag']).toBe(alone.headers.get('etag'));
  });

  it('has its own conditional headers, and only headers about its content and its limits are returned', async () => {
    const { body: task } = await ada.api.post<Task>('/api/tasks', { title: 'Conditional' });
    const path = `/api/tasks/${task.id}`;
    const answers = await run([
      { id: 'a', method: 'GET', path, headers: { 'If-None-Match': '"1"' } },
      { id: 'b', method: 'PATCH', path, body: { title: 'New' }, headers: { 'if-match': '"7"' } },
      { id: 'c', method: 'PUT', path, body: { title: 'New' }, headers: { 'if-match': '"1"' } },
      { id: 'd', method: 'DELETE', path, headers: { 'if-match': '"2"' } },
      { id: 'e', method: 'GET', path },
    ]);
    expect(statusesOf(answers)).toEqual([304, 412, 200, 204, 404]);
    expect([answers[0]?.body, answers[3]?.body]).toEqual([null, null]);
    const names = new Set(answers.flatMap(({ headers }) => Object.keys(headers)));
    expect([...names].sort()).toEqual(['content-type', 'etag', 'x-request-id']);
  });

  it('runs even when an earlier one failed for any reason', async () => {
    const answers = (await run([
      get('/api/nowhere'),
      { id: 'bad', method: 'POST', path: '/api/tasks', body: { title: 7, constructor: undefined } },
      { id: 'null', method: 'POST', path: '/api/tasks', body: null },
      get('/api/users'),
      create('After all'),
    ])) as Array<Answered<Problem>>;
    expect(statusesOf(answers)).toEqual([404, 400, 400, 403, 201]);
    expect(answers.slice(0, 4).map(({ body }) => body.code)).toEqual([
      'ROUTE_NOT_FOUND',
      'VALIDATION_FAILED',
      'VALIDATION_FAILED',
      'FORBIDDEN',
    ]);
    expect(answers[0]?.headers['content-type']).toBe('application/problem+json; charset=utf-8');
  });

  it('has the id of the batch with a number, the address of the caller, and a log line', async () => {
    const id = 'x'.repeat(64);
    const answers = await run([get('/api/profile', 'a'), get('/api/nowhere', 'b')], ada.api, { 'x-request-id': id });
    expect(answers.map(({ headers }) => headers['x-request-id'])).toEqual([`${id.slice(2)}.1`, `${id.slice(2)}.2`]);
    const lines = server.log.filter((line) => line.includes(`${id.slice(2)}.1`) && line.includes('"msg":"request"'));
    expect(lines).toHaveLength(1);
    expect(JSON.parse(lines[0] as string)).toMatchObject({ status: 200, ip: '127.0.0.1', user: ada.user.id });
    expect((answers[1] as Answered<Problem>).body).toMatchObject({
      requestId: `${id.slice(2)}.2`,
      additionalInfo: { ip: '127.0.0.1' },
    });
  });

  it('is refused if it is itself a batch in another spelling', async () => {
    const inner = { requests: [create('Nested')] };
    const answers = (await run([
      { id: 'a', method: 'POST', path: '/api/%62atch', body: inner },
      { id: 'b', method: 'POST', path: '/api/v1/batc%68?x=1', body: inner },
      get('/api/tasks?limit=1', 'c'),
    ])) as Array<Answered<Problem>>;
    expect(statusesOf(answers)).toEqual([400, 400, 200]);
    expect(answers.slice(0, 2).map(({ body }) => body.code)).toEqual(['BATCH_IN_BATCH', 'BATCH_IN_BATCH']);
    expect(JSON.stringify(answers[2])).not.toContain('Nested');
  });

  it.each([
    ['table.csv', 'text/csv', 'a,b\n1,2\n'],
    ['flood.json', 'application/json', `[${'{},'.repeat(200_000)}{}]`], // parsing it would block the event loop
    ['broken.json', 'application/json', '{"a":1,,}'],
  ])('gets an error instead of a response that is the content of a file: %s', async (name, type, text) => {
    const form = new FormData();
    form.set('file', new Blob([text], { type }), name);
    const headers = { authorization: `Bearer ${ada.accessToken}` };
    const upload = await fetch(new URL('/api/files', server.url), { method: 'POST', headers, body: form });
    const { id } = (await upload.json()) as { id: string };
    const [content, about] = (await run([get(`/api/files/${id}/content`), get(`/api/files/${id}`)])) as [
      Answered<Problem>,
      Answered,
    ];
    expect(content).toMatchObject({ status: 400, body: { code: 'BATCH_NOT_JSON' } });
    expect(about).toMatchObject({ status: 200, body: { name } });
  });
});

describe('a batch', () => {
  const refusals: Array<[string, unknown, string]> = [
    ['no array of requests', {}, 'requests'],
    ['an empty list', { requests: [] }, 'requests'],
    ['21 requests', { requests: Array.from({ length: 21 }, (_, at) => get('/api/tasks', `${at}`)) }, 'requests'],
    ['two requests with the same id', { requests: [get('/api/tasks', 'a'), get('/api/profile', 'a')] }, 'requests'],
    ['a member that is not an object', { requests: [get('/api/tasks'), null] }, 'requests'],
    ['an id of 65 characters', { requests: [get('/api/tasks', 'x'.repeat(65))] }, 'requests.0.id'],
    ['an unsupported method', { requests: [{ ...get('/api/tasks'), method: 'TRACE' }] }, 'requests.0.method'],
    ['a batch inside it', { requests: [create('a'), { ...create('b'), path: '/api/batch' }] }, 'requests.1.path'],
    ['a batch under /api/v1 inside it', { requests: [{ ...create('b'), path: '/api/v1/batch?x' }] }, 'requests.0.path'],
    ['a path that is too long', { requests: [get(`/api/tasks?q=${'x'.repeat(2_000)}`, 'a')] }, 'requests.0.path'],
    ...['/health', '//evil.example/api/', 'http://evil.example/api/', '/api/../health', '/api/./tasks', '/api/ä', '/api/tasks#a', '/api\\tasks', '/api/x y'].map(
      (path): [string, unknown, string] => [path, { requests: [get(path)] }, 'requests.0.path'],
    ),
    ...['Authorization', 'X-Forwarded-For', 'X-Request-Id', 'Cookie', 'Host', 'Content-Length'].map(
      (name): [string, unknown, string] => [name, { requests: [{ ...get('/api/tasks'), headers: { [name]: '1' } }] }, 'requests.0.headers'],
    ),
    ['a header with a line break', { requests: [{ ...get('/api/tasks'), headers: { accept: 'a\r\nb: c' } }] }, 'requests.0.headers'],
    ['an array as headers', { requests: [{ ...get('/api/tasks'), headers: ['accept'] }] }, 'requests.0.headers'],
    ['an unknown member', { requests: [{ ...get('/api/tasks'), token: 'x' }] }, 'requests.0.token'],
  ]; // prettier-ignore
  it.each(refusals)('is refused as a whole when it contains %s', async (_, body, field) => {
    const before = await server.sql('SELECT FROM tasks');
    const answer = await ada.api.post<Problem>('/api/batch', body);
    expect([answer.status, answer.body.code, answer.body.errors?.[0]?.field]).toEqual([
      400,
      'VALIDATION_FAILED',
      field,
    ]);
    expect(await server.sql('SELECT FROM tasks')).toHaveLength(before.length);
  });

  it('needs a logged-in caller, and runs every request as that caller', async () => {
    const requests = [get('/api/profile')];
    expect((await server.api.post('/api/batch', { requests })).status).toBe(401);
    const bob = await server.registerUser('Bob');
    const { body: task } = await ada.api.post<Task>('/api/tasks', { title: 'Of Ada' });
    expect(statusesOf(await run([get(`/api/tasks/${task.id}`)], bob.api))).toEqual([404]);
  });

  it('returns at most 2 MiB of responses: the one that does not fit is an error, and later ones are not run', async () => {
    const cy = await server.registerUser('Cy');
    const tasks = Array.from({ length: 90 }, () => ({ title: 'Long', description: 'x'.repeat(10_000) }));
    expect((await cy.api.post('/api/tasks/bulk', { tasks })).status).toBe(201);
    const lists = Array.from({ length: 9 }, (_, at) => get('/api/tasks?limit=100', `${at}`));
    const answers = (await run([...lists, create('Too late')], cy.api)) as Array<Answered<Problem>>;
    expect(statusesOf(answers)).toEqual([...Array<number>(8).fill(200), 413, 413]);
    expect(answers[8]?.body).toMatchObject({
      code: 'BATCH_TOO_LARGE',
      detail: expect.stringContaining('answered 200'),
    });
    expect(answers[9]?.body).toMatchObject({ code: 'BATCH_TOO_LARGE', detail: expect.stringContaining('Not run') });
    expect((await cy.api.get<Page<Task>>('/api/tasks?q=late')).body.items).toEqual([]);
  });
});

describe('cancelling a batch', () => {
  /** Sends a batch whose second request waits for a locked row. */
  async function stuckBatch(send: (body: string, id: string) => unknown) {
    const { body: task } = await ada.api.post<Task>('/api/tasks', { title: 'Held' });
    const holder = new pg.Client({ connectionString: server.databaseUrl });
    await holder.connect();
    await holder.query('BEGIN');
    await holder.query('SELECT FROM tasks WHERE uuid = $1 FOR UPDATE', [task.id]);
    const id = randomUUID();
    const titles = [randomUUID(), randomUUID()] as [string, string];
    const stuck = { id: 'b', method: 'PATCH', path: `/api/tasks/${task.id}`, body: { title: 'Mine' } };
    const sent = send(JSON.stringify({ requests: [create(titles[0]), stuck, create(titles[1])] }), id);
    const isWaiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%UPDATE tasks AS row%'`;
    // Not inside a transaction, which would always see the same snapshot.
    const waiters = async (): Promise<number> => (await server.sql(isWaiting)).length;
    await until(async () => (await waiters()) > 0, 'the second request to wait');
    /** Checks that the statement ends within a second, and that only the first request had an effect. */
    const isOver = async (): Promise<void> => {
      await until(async () => (await waiters()) === 0, 'the statement to be over', 1_000);
      await holder.end();
      const { inFlight } = server.app.getHttpAdapter().getInstance();
      await until(() => inFlight.size === 0, 'nothing to be in flight');
      const made = await server.sql('SELECT title FROM tasks WHERE title = ANY($1)', titles);
      expect(made).toEqual([{ title: titles[0] }]);
      expect(server.log.filter((line) => line.includes(`${id}.3`))).toEqual([]);
      expect(server.log.filter((line) => line.includes(id) && /"level":"(warn|error)"/.test(line))).toEqual([]);
    };
    return { id, sent, isOver, letGo: () => holder.end() };
  }

  it('by its id stops the running request and does not start the rest', async () => {
    const { id, sent, isOver } = await stuckBatch((body, id) =>
      ada.api.request('POST', '/api/batch', body, { headers: { 'x-request-id': id } }),
    );
    expect((await ada.api.delete(`/api/requests/${id}`)).status).toBe(204);
    expect(await (sent as Promise<Answer<Problem>>)).toMatchObject({
      status: 499,
      body: { code: 'REQUEST_CANCELLED' },
    });
    await isOver();
  });

  it('by closing the connection stops the running request', async () => {
    const socket = connect(server.port, '127.0.0.1');
    const { isOver } = await stuckBatch((body, id) =>
      socket.write(
        `POST /api/batch HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${id}\r\nAuthorization: Bearer ${ada.accessToken}\r\n` +
          `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      ),
    );
    socket.destroy();
    await isOver();
  });

  it('in only one of its requests lets the others run', async () => {
    const { id, sent, letGo } = await stuckBatch((body, id) =>
      ada.api.request('POST', '/api/batch', body, { headers: { 'x-request-id': id } }),
    );
    expect((await ada.api.delete(`/api/requests/${id}.2`)).status).toBe(204);
    const { body } = await (sent as Promise<Answer<{ responses: Answered[] }>>);
    expect(statusesOf(body.responses)).toEqual([201, 499, 201]);
    await letGo();
  });
});

describe('the rate limit of a batch', () => {
  let limited: TestServer;
  beforeAll(async () => {
    const authLimits = { AUTH_RATE_LIMIT_BURST: '999/10', AUTH_RATE_LIMIT_SUSTAINED: '999/60' };
    const env = { RATE_LIMIT_MODE: 'enforce', RATE_LIMIT_BURST: '5/60', RATE_LIMIT_SUSTAINED: '50/60' };
    limited = await startServer({ ...env, ...authLimits });
  });
  afterAll(() => limited.close());

  it('counts every request, and the batch itself as one', async () => {
    const { api } = await limited.registerUser();
    const requests = Array.from({ length: 6 }, (_, at) => get('/api/profile', `${at}`));
    const answers = await run(requests, api);
    expect(statusesOf(answers)).toEqual([200, 200, 200, 200, 429, 429]);
    expect(answers[0]?.headers['ratelimit']).toMatch(/^"burst";r=3;/);
    expect(answers[4]?.headers['retry-after']).toMatch(/^\d+$/);
    expect((await api.post('/api/batch', { requests })).status).toBe(429);
  });
});
