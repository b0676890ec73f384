// Checks the exact limits of one user under concurrency: tasks, links, sessions, jobs and searches.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Answer, Api, Page, Problem, Sessions, Task } from '../support/http/api.js';
import { uploadFile } from '../support/jobs/job-requests.js';
import { PASSWORD, type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

const TASKS = 20;
const LINKS = 5;
const SESSIONS = 4;

let server: TestServer;
let root: Person;

beforeAll(async () => {
  server = await startServer({
    ...{ TASK_QUOTA: String(TASKS), LINK_QUOTA: String(LINKS), SESSION_QUOTA: String(SESSIONS), JOB_QUOTA: '5' },
    RATE_LIMIT_MODE: 'off',
    DATABASE_POOL_SIZE: '4',
    APP_ROLE: 'api', // no job runs: a report would wait for the locks of these tests, too
  });
  root = await server.makeAdmin();
});
afterAll(() => server.close());

const statuses = (answers: ReadonlyArray<Answer<unknown>>) => answers.map(({ status }) => status).toSorted();
/** Returns an array with `count` times the same status. */
const all = (status: number, count: number): number[] => Array.from({ length: count }, () => status);
const repeat = <T>(times: number, ask: (n: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: times }, (_, n) => ask(n)));

/** Runs the statement in a transaction of its own, which holds its locks until the returned function is called. */
async function hold(sql: string, ...values: string[]): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  await client.query('BEGIN');
  await client.query(sql, values);
  return async () => void (await client.query('ROLLBACK').finally(() => client.end()));
}
/** Returns the number of statements that wait for a lock. */
const waiting = async (): Promise<number> =>
  (await server.sql(`SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
    .length;

describe('tasks', () => {
  const create = ({ api }: Person) => api.post<Pick<Task, 'id'> & Problem>('/api/tasks', { title: 'One more' });
  const bulk = ({ api }: Person, count: number) =>
    api.post('/api/tasks/bulk', { tasks: Array.from({ length: count }, (_, n) => ({ title: `Bulk ${n}` })) });
  const living = async (person: Person) =>
    (await server.sql('SELECT 1 FROM tasks WHERE owner_uuid = $1 AND deleted_at IS NULL', person.user.id)).length;

  it('are refused beyond the quota, which is exact under concurrent requests', async () => {
    const ada = await server.registerUser('Ada');
    const answers = await repeat(2 * TASKS, () => create(ada));
    expect(statuses(answers)).toEqual([...all(201, TASKS), ...all(409, TASKS)]);
    const refused = answers.find(({ status }) => status === 409);
    expect(refused?.body).toMatchObject({ code: 'TASK_QUOTA_EXCEEDED', message: expect.stringContaining(`${TASKS}`) });
    expect(await living(ada)).toBe(TASKS);
    expect((await create(await server.registerUser('Eve'))).status).toBe(201);
  });

  it('created in bulk are stored all or not at all', async () => {
    const ada = await server.registerUser('Ada');
    expect(statuses(await repeat(5, () => bulk(ada, 8)))).toEqual([201, 201, 409, 409, 409]);
    expect(await living(ada)).toBe(16);
    expect((await bulk(ada, 4)).status).toBe(201);
    expect((await bulk(ada, 1)).status).toBe(409);
    expect((await bulk(await server.registerUser('Eve'), TASKS + 1)).status).toBe(409);
  });

  it('free the quota when they are deleted, and use it when they are restored', async () => {
    const ada = await server.registerUser('Ada');
    const { body: first } = await create(ada);
    await bulk(ada, TASKS - 1);
    expect((await create(ada)).status).toBe(409);
    expect((await ada.api.delete(`/api/tasks/${first.id}`)).status).toBe(204);
    expect((await create(ada)).status).toBe(201);
    const restored = await root.api.post(`/api/tasks/${first.id}/restore`);
    expect(restored).toMatchObject({ status: 409, body: { code: 'TASK_QUOTA_EXCEEDED' } });
    expect((await ada.api.get(`/api/tasks/${first.id}`)).status).toBe(404);
    const { body: page } = await ada.api.get<Page<Task>>('/api/tasks?limit=1');
    expect((await ada.api.delete(`/api/tasks/${page.items[0]?.id}`)).status).toBe(204);
    expect((await root.api.post(`/api/tasks/${first.id}/restore`)).status).toBe(200);
    expect((await create(ada)).status).toBe(409);
    expect(await living(ada)).toBe(TASKS);
  });

  it('created in a transaction that is rolled back do not count', async () => {
    const ada = await server.registerUser('Ada');
    const broken = await ada.api.post('/api/tasks', { title: 'a'.repeat(201) });
    expect(broken.status).toBe(400);
    expect(statuses(await repeat(TASKS, () => create(ada)))).toEqual(all(201, TASKS));
  });
});

it('links count while they are valid', async () => {
  const ada = await server.registerUser('Ada');
  const [id, other] = [await uploadFile(ada, 'a,b'), await uploadFile(ada, 'c,d')];
  const make = (file: string) => ada.api.post<{ id: string } & Problem>(`/api/files/${file}/link`, { expiresIn: 3600 });
  expect((await make(other)).status).toBe(201);
  const answers = await repeat(3 * LINKS, () => make(id));
  expect(statuses(answers)).toEqual([...all(201, LINKS - 1), ...all(409, 2 * LINKS + 1)]);
  expect(answers.find(({ status }) => status === 409)?.body.code).toBe('LINK_QUOTA_EXCEEDED');
  await server.sql(
    `UPDATE file_links SET expires_at = now() WHERE uuid = $1`,
    answers.find(({ status }) => status === 201)?.body.id,
  );
  expect(statuses([await make(id), await make(id)])).toEqual([201, 409]);
  expect((await ada.api.delete(`/api/files/${other}`)).status).toBe(204); // the links of a deleted file are no longer valid
  expect((await make(id)).status).toBe(201);
});

describe('sessions', () => {
  it('over the limit end the session that was unused for the longest time', async () => {
    const first = await server.registerUser('Ada');
    const more: Person[] = [];
    for (let n = 1; n < SESSIONS; n++) more.push(await server.login(first.email));
    const { body } = await first.api.post<{ accessToken: string; refreshToken: string }>('/api/auth/refresh', {
      refreshToken: first.refreshToken,
    });
    expect(body.accessToken).toBeDefined();
    const last = await server.login(first.email);
    expect(statuses(await Promise.all([first, ...more, last].map(({ api }) => api.get('/api/profile'))))).toEqual([
      200, 200, 200, 200, 401,
    ]);
    expect((await (more[0] as Person).api.get('/api/profile')).status).toBe(401);
    const ended = await server.sql(
      `SELECT ended_by FROM sessions WHERE deleted_at IS NOT NULL AND user_id = (SELECT id FROM users WHERE uuid = $1)`,
      first.user.id,
    );
    expect(ended).toEqual([{ ended_by: 'superseded' }]);
  });

  it('never exceed the limit under concurrent logins', async () => {
    const ada = await server.registerUser('Ada');
    const login = () => server.api.post('/api/auth/login', { email: ada.email, password: PASSWORD });
    const answers = await repeat(8, login);
    expect(answers.some(({ status }) => status === 200)).toBe(true);
    const { length } = await server.sql(
      `SELECT 1 FROM sessions WHERE deleted_at IS NULL AND user_id = (SELECT id FROM users WHERE uuid = $1)`,
      ada.user.id,
    );
    expect(length).toBe(SESSIONS);
  });

  it('are listed page by page; the current session comes first and only once, however old it is', async () => {
    const ada = await server.registerUser('Ada');
    for (let n = 1; n < SESSIONS; n++) await server.login(ada.email);
    const seen: Array<Sessions['items'][number]> = [];
    let path = '/api/auth/sessions?limit=1';
    for (let pages = 0; ; pages++) {
      expect(pages).toBeLessThan(SESSIONS);
      const { status, body, headers } = await ada.api.get<Sessions>(path);
      expect([status, body.items.length]).toEqual([200, 1]);
      seen.push(...body.items);
      if (body.nextCursor === null) break;
      expect(headers.get('link')).toContain('rel="next"');
      path = `/api/auth/sessions?limit=1&cursor=${encodeURIComponent(body.nextCursor)}`;
    }
    expect(seen.map(({ current }) => current)).toEqual([true, false, false, false]);
    expect(new Set(seen.map(({ id }) => id)).size).toBe(SESSIONS);
    const others = seen.slice(1).map(({ createdAt }) => createdAt);
    expect(others).toEqual(others.toSorted().reverse());
    expect(seen[0]?.createdAt).toEqual([...others, seen[0]?.createdAt].toSorted()[0]);
  });
});

it('a user with ten times as many dead jobs as may wait cannot enqueue jobs until an administrator discards some', async () => {
  const ada = await server.registerUser();
  const report = () => ada.api.post<Problem>('/api/jobs', { type: 'report.pdf' });
  await server.sql(
    `INSERT INTO jobs (id, uuid, type, queue, payload, priority, run_at, max_attempts, status, finished_at, owner_id, owner_uuid)
     SELECT n, gen_random_uuid(), 'report.pdf', 'reports', '{}', 3, now(), 3, 'FAILED', now(), u.id, u.uuid
     FROM users u CROSS JOIN generate_series(1, 50) n WHERE u.uuid = $1`,
    ada.user.id,
  );
  const refused = await report();
  expect([refused.status, refused.body.code]).toEqual([409, 'JOB_QUOTA_EXCEEDED']);
  const [dead] = await server.sql<{ uuid: string }>(`SELECT uuid FROM jobs WHERE status = 'FAILED' LIMIT 1`);
  expect((await root.api.delete(`/api/dead-letters/${dead?.uuid}`)).status).toBe(204);
  expect((await report()).status).toBe(202);
});

const MULTIPART = 'multipart/form-data; boundary=end';
const FORM = '--end\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\ntext\r\n--end--\r\n';
const uploadForm = ({ api }: Person) =>
  api.request('POST', '/api/files', FORM, { headers: { 'content-type': MULTIPART } });
const beginUpload = ({ api }: Person) =>
  api.request('POST', '/api/uploads', undefined, { headers: { 'tus-resumable': '1.0.0', 'upload-length': '10' } });
const USAGE = 'SELECT FROM storage_usages WHERE owner_id = (SELECT id FROM users WHERE uuid = $1) FOR UPDATE';

it.each<[string, (person: Person) => Promise<Answer<unknown>>, string, number[]]>([
  [
    'tasks',
    ({ api }) => api.post('/api/tasks', { title: 'Waiting' }),
    'SELECT FROM task_counts WHERE owner_id = (SELECT id FROM users WHERE uuid = $1) FOR UPDATE',
    all(201, 15),
  ],
  [
    'jobs',
    ({ api }) => api.post('/api/jobs', { type: 'report.pdf' }),
    `SELECT pg_advisory_xact_lock(hashtext('jobs'), hashint8(id)) FROM users WHERE uuid = $1`,
    [202, ...all(409, 14)], // one report at a time
  ],
  [
    'the profile',
    ({ api }) => api.patch('/api/profile', { name: 'Ada' }),
    'SELECT FROM users WHERE uuid = $1 FOR UPDATE',
    all(200, 15),
  ],
  ['files', uploadForm, USAGE, all(201, 15)],
  ['resumable uploads', beginUpload, USAGE, all(201, 15)],
])(
  'a user whose changes of %s wait for a lock leaves the connections of the pool to other users',
  async (_what, change, lock, expected) => {
    const [ada, bob] = [await server.registerUser(), await server.registerUser()];
    await ada.api.post('/api/tasks', { title: 'The first' });
    await uploadForm(ada);
    const free = await hold(lock, ada.user.id);
    const changes = repeat(15, () => change(ada));
    await until(async () => (await waiting()) > 0, 'a change to wait for the lock');
    expect(statuses(await repeat(10, () => bob.api.get('/api/tasks?sort=priority&limit=7')))).toEqual(all(200, 10));
    expect(await waiting()).toBe(1);
    await free();
    expect(statuses(await changes)).toEqual(expected);
  },
);

describe('searches', () => {
  const search = ({ api }: Person, q = 'milk') => api.get<Page<Task> & Problem>(`/api/tasks?q=${q}`);

  it('of one user run one at a time, a few wait, the others are refused; other requests are served meanwhile', async () => {
    const [ada, eve] = [await server.registerUser('Ada'), await server.registerUser('Eve')];
    const free = await hold('LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE');
    const refused: Array<Awaited<ReturnType<typeof search>>> = [];
    const answers = repeat(60, async (n) => {
      const answer = await search(ada, `milk${n}`);
      if (answer.status === 429) refused.push(answer);
      return answer.status;
    });
    await until(
      async () => (await waiting()) > 0 && refused.length === 55,
      'a search to run, and those beyond four to be refused',
    );
    expect(statuses(await repeat(30, () => eve.api.get('/api/files')))).toEqual(all(200, 30));
    expect(await waiting()).toBe(1);
    await free();
    // The search that waited for the lock was slow; those that wait now may be refused in the pause of their user.
    const outcomes = new Set((await answers).slice(0, 5));
    expect(outcomes.has(200) && [...outcomes].every((status) => [200, 429].includes(status))).toBe(true);
    expect([refused[0]?.body.code, refused[0]?.headers.get('retry-after')]).toEqual(['SEARCH_BUSY', '1']);
    expect((await search(eve)).status).toBe(200);
  });

  it('of many users use at most half of the connections', async () => {
    const people = await repeat(12, (n) => server.registerUser(`User${n}`));
    const free = await hold('LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE');
    const answers = Promise.all(people.map((person) => search(person)));
    await until(async () => (await waiting()) === 2, 'as many searches to run as may');
    expect(statuses(await repeat(30, () => root.api.get('/api/files')))).toEqual(all(200, 30));
    expect(await waiting()).toBe(2);
    await free();
    expect(statuses(await answers)).toEqual(all(200, 12));
  });
});

describe('the rate limit cost of', () => {
  let limited: TestServer;
  let api: Api;
  beforeAll(async () => {
    limited = await startServer({
      RATE_LIMIT_MODE: 'enforce',
      RATE_LIMIT_BURST: '1000/100000',
      RATE_LIMIT_SUSTAINED: '2000/100000',
    });
    ({ api } = await limited.registerUser());
  });
  afterAll(() => limited.close());

  it.each([
    ['sort=priority&limit=25', 1],
    ['status=TODO&limit=26', 2],
    ['limit=100', 4],
    ['q=milk&limit=100', 20],
  ])('%s is %i', async (query, cost) => {
    const remaining = async (path: string) => {
      const { headers } = await api.get(path);
      return Number(/"burst";r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]);
    };
    const before = await remaining('/api/tasks');
    const taken = before - (await remaining(`/api/tasks?${query}`));
    expect([cost - 1, cost]).toContain(taken); // one may have been refilled meanwhile
  });

  it.each([
    ['4 KiB', 4_096, 1],
    ['more than 4 KiB', 4_097, 2],
    ['a megabyte', 1_048_576, 256],
    ['more than the limit, which is refused unread', 1_048_577, 1],
  ])('a JSON body of %s', async (_size, bytes, cost) => {
    const body = JSON.stringify({ title: 'x'.repeat(bytes - '{"title":""}'.length) });
    const remaining = ({ headers }: Answer<unknown>) =>
      Number(/"burst";r=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]);
    const before = remaining(await api.get('/api/profile'));
    const headers = { 'content-type': 'application/json' };
    const taken = before - remaining(await api.post('/api/tasks', body, { headers }));
    expect([cost - 1, cost]).toContain(taken); // one may have been refilled meanwhile
  });
});
