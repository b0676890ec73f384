// Checks that an owner leaves only so many ended rows: the oldest ones beyond the limit are deleted, and nothing else.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { type Job, finishedJob } from '../support/jobs/job-requests.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(60_000);

const KEPT = 3;
let server: TestServer;
let root: Person;

beforeAll(async () => {
  const areas = ['TASK', 'JOB', 'SESSION'];
  const counts = Object.fromEntries(areas.map((area) => [`${area}_RETENTION_COUNT`, String(KEPT)]));
  server = await startServer({ ...counts, RATE_LIMIT_MODE: 'off' });
  root = await server.makeAdmin();
});
afterAll(() => server.close());

/** Runs a schedule now, and returns the result of its job. */
async function run(schedule: string): Promise<unknown> {
  const { status, body } = await root.api.post<Job>(`/api/schedules/${schedule}/run`);
  expect(status).toBe(202);
  return (await finishedJob(root, body.id)).result;
}

/** Calls `make` one after the other, so that the results have an order. */
async function inOrder<T>(count: number, make: (n: number) => Promise<T>): Promise<T[]> {
  const made: T[] = [];
  for (let n = 0; n < count; n++) made.push(await make(n));
  return made;
}

it('deleted tasks: each user keeps the latest TASK_RETENTION_COUNT, by the time of deletion', async () => {
  const [ada, bob] = [await server.registerUser('Ada'), await server.registerUser('Bob')];
  const create = async ({ api }: Person): Promise<string> =>
    (await api.post<{ id: string }>('/api/tasks', { title: 'A task' })).body.id;
  const living = await create(ada);
  const made = await inOrder(KEPT + 4, () => create(ada));
  const ended = made.toReversed(); // the first created is the last deleted
  for (const id of ended) expect((await ada.api.delete(`/api/tasks/${id}`)).status).toBe(204);
  for (const id of await inOrder(KEPT, () => create(bob))) await bob.api.delete(`/api/tasks/${id}`);

  expect(await run('tasks.trim')).toEqual({ trimmed: 4 });
  const left = async (person: Person) =>
    server.sql<{ uuid: string }>('SELECT uuid FROM tasks WHERE owner_uuid = $1 ORDER BY deleted_at', person.user.id);
  expect((await left(ada)).map(({ uuid }) => uuid)).toEqual([...ended.slice(4), living]);
  expect(await left(bob)).toHaveLength(KEPT);
  expect((await root.api.post(`/api/tasks/${ended.at(-1)}/restore`)).status).toBe(200);
  expect((await root.api.post(`/api/tasks/${ended[0]}/restore`)).status).toBe(404);
  expect(await run('tasks.trim')).toEqual({ trimmed: 0 });
});

it('finished jobs: each user keeps the latest JOB_RETENTION_COUNT; waiting jobs and dead letters stay', async () => {
  const [ada, bob] = [await server.registerUser('Ada'), await server.registerUser('Bob')];
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const request = async ({ api }: Person): Promise<string> =>
    (await api.post<Job>('/api/jobs', { type: 'report.pdf', runAt: later })).body.id;
  const cancel = async (person: Person): Promise<string> => {
    const id = await request(person);
    expect((await person.api.delete(`/api/jobs/${id}`)).status).toBe(204);
    return id;
  };
  const ended = await inOrder(KEPT + 4, () => cancel(ada));
  await inOrder(KEPT, () => cancel(bob));
  const waiting = await request(ada);
  await server.sql(`UPDATE jobs SET status = 'FAILED' WHERE uuid = $1`, ended[0]);

  expect(await run('jobs.trim')).toEqual({ trimmed: 3 });
  const left = async (person: Person) =>
    (await server.sql<{ uuid: string }>('SELECT uuid FROM jobs WHERE owner_uuid = $1 ORDER BY id', person.user.id)).map(
      ({ uuid }) => uuid,
    );
  expect(await left(ada)).toEqual([ended[0], ...ended.slice(4), waiting]);
  expect(await left(bob)).toHaveLength(KEPT);
  expect((await ada.api.get(`/api/jobs/${ended[1]}`)).status).toBe(404);
});

it('finished jobs without an owner: each type keeps the latest 100,000', async () => {
  const fill = (first: number, count: number, type: string) =>
    server.sql(
      `INSERT INTO jobs (id, uuid, type, queue, payload, status, max_attempts, finished_at)
       SELECT n, gen_random_uuid(), $3, 'files', '{}', 'SUCCEEDED', 1, now() - interval '1 day' + n * interval '1 ms'
       FROM generate_series($1::bigint, $1::bigint + $2 - 1) n`,
      first, count, type,
    ); // prettier-ignore
  await fill(1, 100_050, 'files.purge');
  await fill(200_001, 50, 'files.tidy');
  expect(await run('jobs.trim')).toEqual({ trimmed: 50 });
  const left = await server.sql(
    `SELECT type, count(*)::integer, min(id)::integer FROM jobs WHERE id < 300000 GROUP BY type ORDER BY type`,
  );
  expect(left).toEqual([
    { type: 'files.purge', count: 100_000, min: 51 },
    { type: 'files.tidy', count: 50, min: 200_001 },
  ]);
});

it('ended sessions: each user keeps the latest SESSION_RETENTION_COUNT; the others of the user go on', async () => {
  const [ada, bob] = [await server.registerUser('Ada'), await server.registerUser('Bob')];
  const logOut = async ({ email }: Person): Promise<void> => {
    const { api } = await server.login(email);
    expect((await api.post('/api/auth/logout')).status).toBe(204);
  };
  await inOrder(KEPT + 4, () => logOut(ada));
  await inOrder(KEPT, () => logOut(bob));
  const ended = async ({ user }: Person) =>
    (
      await server.sql<{ id: string }>(
        `SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.uuid = $1 AND s.deleted_at IS NOT NULL ORDER BY s.deleted_at`,
        user.id,
      )
    ).map(({ id }) => id);
  const before = await ended(ada);
  expect(await run('sessions.trim')).toEqual({ trimmed: 4 });
  expect(await ended(ada)).toEqual(before.slice(4));
  expect(await ended(bob)).toHaveLength(KEPT);
  expect((await ada.api.get('/api/profile')).status).toBe(200);
});
