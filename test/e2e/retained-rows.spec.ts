// Checks that an owner leaves only so many ended rows: the oldest ones beyond the limit are deleted, and nothing else.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { type Job, finishedJob } from '../support/jobs/job-requests.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(60_000);

const KEPT = 3;
let server: TestServer;
let root: Person;

beforeAll(async () => {
  server = await startServer({ TASK_RETENTION_COUNT: String(KEPT), RATE_LIMIT_MODE: 'off' });
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
