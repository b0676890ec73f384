// Checks jobs over HTTP: enqueue, read, cancel, ownership, and the APP_ROLE of a process.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { JobDto } from '../../src/workers/api/dto/job.dto.js';
import { killAll, DataDir, ServerProcess } from '../support/server/server-process.js';
import { PASSWORD, type Person, startServer, type TestServer } from '../support/server/server.js';
import type { Tokens } from '../support/http/api.js';
import { cloneDatabase } from '../support/engines/database.js';
import { until } from '../support/time/until.js';

jest.setTimeout(300_000); // starting a server takes half a minute on a busy machine

let server: TestServer;
let ada: Person;
let eve: Person;
let root: Person;

beforeAll(async () => {
  server = await startServer();
  [ada, eve, root] = [await server.registerUser('Ada'), await server.registerUser('Eve'), await server.makeAdmin()];
});
afterAll(async () => {
  await server.close();
});

type Asker = Pick<Person, 'api'>;
const ask = ({ api }: Asker, body: object) =>
  api.post<JobDto & { code?: string; message?: string; errors?: object[] }>('/api/jobs', body);

function ends(person: Asker, id: string): Promise<JobDto> {
  return until(async () => {
    const { body } = await person.api.get<JobDto>(`/api/jobs/${id}`);
    return ['SUCCEEDED', 'FAILED', 'CANCELLED'].includes(body.status) ? body : null;
  }, `job ${id} to end`);
}
const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
const far = (): string => inDays(1);

/** Characters of about 60 font files: one of each 300 of the Chinese block. */
const RARE_LETTERS = Array.from({ length: 70 }, (_, index) => String.fromCodePoint(0x4e00 + index * 300)).join('');

describe('a report.pdf job', () => {
  it('runs, and stores a PDF that only its owner can read', async () => {
    for (const title of ['Buy milk', 'Купить молоко', '牛乳を買う'])
      await ada.api.post('/api/tasks', { title, dueAt: far() });
    const { status, body, headers } = await ask(ada, { type: 'report.pdf', payload: {} });
    expect(status).toBe(202);
    expect(headers.get('location')).toBe(`/api/jobs/${body.id}`);
    expect(body).toMatchObject({ type: 'report.pdf', queue: 'reports', ownerId: ada.user.id, error: null });
    const job = await ends(ada, body.id);
    expect(job).toMatchObject({ status: 'SUCCEEDED', progress: 100, attempts: 1, result: { tasks: 3, pages: 1 } });
    const { fileId } = job.result as { fileId: string };
    const answer = await fetch(`${server.url}/api/files/${fileId}/content`, {
      headers: { authorization: `Bearer ${ada.accessToken}` },
    });
    expect(answer.headers.get('content-type')).toBe('application/pdf');
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(bytes.subarray(0, 5).toString()).toBe('%PDF-');
    expect(bytes.length).toBeGreaterThan(5_000);
    expect((await eve.api.get(`/api/files/${fileId}`)).status).toBe(404);
  });

  it('reports on 5,000 tasks with titles in ASCII, in the queue of short reports', async () => {
    await server.sql(
      `INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, status, due_at)
       SELECT n, gen_random_uuid(), u.id, u.uuid, 'Task number ' || n, 'TODO', now() + n * interval '1 h' FROM users u, generate_series(1, 5000) n
       WHERE u.uuid = $1`,
      eve.user.id,
    );
    const { body } = await ask(eve, { type: 'report.pdf' });
    const job = await ends(eve, body.id);
    expect(job).toMatchObject({ status: 'SUCCEEDED', queue: 'reports', result: { tasks: 5_000 } });
  });

  it.each([
    ['many tasks', 5_001, 'short'],
    ['5,000 short titles in Chinese', 5_000, '准备财务报告'],
    ['long titles in other scripts', 400, '漢字かな交じり文'.repeat(12)],
    ['letters of many font files', 3, RARE_LETTERS],
  ])('moves to the queue of long reports with %s', async (_what, count, title) => {
    const owner = await server.registerUser('Longfellow');
    await server.sql(
      `INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, status)
       SELECT $4::bigint + n, gen_random_uuid(), u.id, u.uuid, $2, 'TODO' FROM users u, generate_series(1, $3::integer) n WHERE u.uuid = $1`,
      owner.user.id,
      title,
      count,
      count * 1_000_000,
    );
    const { body } = await ask(owner, { type: 'report.pdf' });
    expect(await ends(owner, body.id)).toMatchObject({
      status: 'SUCCEEDED',
      queue: 'long-reports',
      result: { tasks: count },
    });
  });
});

describe('a request for a job', () => {
  it.each([
    ['an unknown type', { type: 'no.such' }, 400, 'JOB_TYPE_UNKNOWN'],
    ['a type that only the system enqueues', { type: 'jobs.cleanup' }, 400, 'JOB_TYPE_UNKNOWN'],
    ['no type', { payload: {} }, 400, 'VALIDATION_FAILED'],
    ['a payload that is a list', { type: 'report.pdf', payload: [] }, 400, 'VALIDATION_FAILED'],
    ['a payload with an unknown member', { type: 'report.pdf', payload: { a: 1 } }, 400, 'VALIDATION_FAILED'],
    ['a priority over the maximum', { type: 'report.pdf', priority: 6 }, 400, 'VALIDATION_FAILED'],
    ['a time without a time zone', { type: 'report.pdf', runAt: '2030-01-01T00:00:00' }, 400, 'VALIDATION_FAILED'],
    ['a time more than a year ahead', { type: 'report.pdf', runAt: inDays(367) }, 400, 'VALIDATION_FAILED'],
    ['a type that is for administrators', { type: 'users.export' }, 403, 'FORBIDDEN'],
    ['a priority above normal', { type: 'report.pdf', priority: 4 }, 403, 'FORBIDDEN'],
  ])('with %s is refused', async (_what, body, status, code) => {
    const answer = await ask(ada, body);
    expect([answer.status, answer.body.code]).toEqual([status, code]);
  });

  it('gets an error that names the invalid member of the payload', async () => {
    const { body } = await ask(ada, { type: 'report.pdf', payload: { a: 1 } });
    expect(body.errors).toEqual([
      { field: 'payload.a', rule: 'unknownMember', message: 'property payload.a should not exist' },
    ]);
  });
});

describe('a user', () => {
  it('can have one unfinished report: a second request gets 409 with the location of the first', async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => ask(ada, { type: 'report.pdf', runAt: far() })));
    const [first, ...more] = answers.filter(({ status }) => status === 202);
    expect(more).toEqual([]);
    const location = `/api/jobs/${first?.body.id}`;
    for (const { status, body, headers } of answers.filter((answer) => answer !== first))
      expect([status, body.code, headers.get('location')]).toEqual([409, 'JOB_UNFINISHED', location]);
    const others = await ask(eve, { type: 'report.pdf', runAt: far() });
    expect(others.status).toBe(202);
    expect((await ada.api.delete(location)).status).toBe(204);
    const next = await ask(ada, { type: 'report.pdf', runAt: far() });
    expect(next.status).toBe(202);
    expect((await ada.api.delete(`/api/jobs/${next.body.id}`)).status).toBe(204);
    expect((await eve.api.delete(`/api/jobs/${others.body.id}`)).status).toBe(204);
  });

  it('cannot raise the priority of a job, but an administrator can', async () => {
    const chief = await server.makeAdmin('Chief');
    const { status, body } = await ask(chief, { type: 'report.pdf', runAt: inDays(365), priority: 5 });
    expect([status, body.priority]).toEqual([202, 5]);
    expect((await chief.api.delete(`/api/jobs/${body.id}`)).status).toBe(204);
    expect((await ask(ada, { type: 'report.pdf', runAt: far(), priority: 4 })).body.message).toContain(
      'jobs:prioritize',
    );
  });
});

describe('a job', () => {
  it('is visible to its owner and to administrators, and not found by other users', async () => {
    const { body } = await ask(ada, { type: 'report.pdf', runAt: far() });
    expect(body.status).toBe('QUEUED');
    for (const verb of ['get', 'delete'] as const) {
      const answer = await eve.api[verb](`/api/jobs/${body.id}`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'JOB_NOT_FOUND' } });
    }
    expect((await root.api.get(`/api/jobs/${body.id}`)).status).toBe(200);
    expect((await ada.api.get('/api/jobs?all=true')).status).toBe(403);
    const mine = await ada.api.get<{ items: JobDto[] }>('/api/jobs?status=QUEUED');
    expect(mine.body.items.map(({ id }) => id)).toEqual([body.id]);
    const all = await root.api.get<{ items: JobDto[] }>('/api/jobs?all=true&type=report.pdf&limit=1');
    expect(all.body.items.map(({ id }) => id)).toEqual([body.id]);
    expect((await root.api.get<{ items: JobDto[] }>('/api/jobs')).body.items).toEqual([]);
    expect((await ada.api.delete(`/api/jobs/${body.id}`)).status).toBe(204);
  });

  it('that waits can be cancelled once', async () => {
    const { body } = await ask(ada, { type: 'report.pdf', runAt: far() });
    expect((await ada.api.delete(`/api/jobs/${body.id}`)).status).toBe(204);
    expect((await ada.api.get<JobDto>(`/api/jobs/${body.id}`)).body.status).toBe('CANCELLED');
    expect(await ada.api.delete(`/api/jobs/${body.id}`)).toMatchObject({ status: 409, body: { code: 'JOB_FINISHED' } });
  });

  it('is not cancelled with an outdated ETag', async () => {
    const { body } = await ask(ada, { type: 'report.pdf', runAt: far() });
    const stale = await ada.api.delete(`/api/jobs/${body.id}`, { headers: { 'if-match': '"99"' } });
    expect(stale).toMatchObject({ status: 412, body: { code: 'VERSION_STALE' } });
    const fresh = { headers: { 'if-match': `"${body.version}"` } };
    expect((await ada.api.delete(`/api/jobs/${body.id}`, fresh)).status).toBe(204);
  });

  it('with a time in the past runs immediately, after the jobs that were enqueued before it', async () => {
    const { body } = await ask(ada, { type: 'report.pdf', runAt: '1970-01-01T00:00:00Z' });
    expect(Date.now() - Date.parse(String(body.runAt))).toBeLessThan(60_000);
    await ends(ada, body.id);
  });

  it('is listed page by page, newest first', async () => {
    const before = await root.api.get<{ items: JobDto[] }>('/api/jobs?limit=100');
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.push((await ask(root, { type: 'users.statistics', runAt: far() })).body.id);
    const seen: string[] = [];
    for (let cursor = ''; ;) {
      const { body } = await root.api.get<{ items: JobDto[]; nextCursor: string | null }>(`/api/jobs?limit=2${cursor}`);
      seen.push(...body.items.map(({ id }) => id));
      if (body.nextCursor === null) break;
      cursor = `&cursor=${encodeURIComponent(body.nextCursor)}`;
    }
    expect(seen).toEqual([...ids.reverse(), ...before.body.items.map(({ id }) => id)]);
  });
});

describe('the role of a process', () => {
  afterAll(() => killAll());

  it('splits the work: an api process enqueues jobs, a worker runs them and serves only probes', async () => {
    const database = await cloneDatabase();
    const [apiDir, workerDir] = [new DataDir(), new DataDir()];
    const env = {
      ...{ DATABASE_URL: database.url, RATE_LIMIT_MODE: 'off', LOG_FORMAT: 'json' },
      ...{ JWT_SECRET: PASSWORD.repeat(2), SESSION_SECRET: PASSWORD.repeat(2), COOKIE_SECRET: PASSWORD.repeat(2) },
    };
    const api = new ServerProcess(apiDir, { ...env, APP_ROLE: 'api' });
    const served = await api.ready();
    const name = { email: 'ada@example.com', password: PASSWORD, name: 'Ada' };
    const { body: tokens } = await served.post<Tokens>('/api/auth/register', name);
    const me = { api: served.as(tokens.accessToken) };
    const { body: job } = await ask(me, { type: 'report.pdf' });
    const worker = new ServerProcess(workerDir, { ...env, APP_ROLE: 'worker' });
    const probes = await worker.ready();
    expect((await ends(me, job.id)).status).toBe('SUCCEEDED');
    expect((await probes.get('/health/ready')).status).toBe(200);
    expect((await probes.get('/ping')).status).toBe(200);
    for (const path of ['/api/jobs', '/api/auth/login', '/docs', '/healthy'])
      expect(await probes.get(path)).toMatchObject({ status: 404, body: { code: 'ROUTE_NOT_FOUND' } });
    expect(await worker.stop()).toBe(0);
    const { body: next } = await ask(me, { type: 'report.pdf' });
    await new Promise((resolve) => setTimeout(resolve, 1_500)); // longer than the interval of the worker's scan
    expect((await me.api.get<JobDto>(`/api/jobs/${next.id}`)).body.status).toBe('QUEUED');
    expect(await api.stop()).toBe(0);
    for (const one of [api, worker]) expect(one.complaints).toEqual([]);
    await database.drop();
    for (const dir of [apiDir, workerDir]) dir.remove();
  });
});
