// Checks concurrent changes of one task: no update is lost and every response is true.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Page, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
let ada: Person;
let root: Person;
beforeAll(async () => {
  server = await startServer();
  ada = await server.registerUser();
  root = await server.makeAdmin();
});
afterAll(() => server.close());

const create = async (): Promise<Task> => (await ada.api.post<Task>('/api/tasks', { title: 'Buy milk' })).body;
const read = async ({ id }: Task): Promise<Task> => (await ada.api.get<Task>(`/api/tasks/${id}`)).body;
const times = <T>(count: number, work: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => work(i)));
const count = (statuses: number[]): Record<number, number> =>
  statuses.reduce<Record<number, number>>((sum, status) => ({ ...sum, [status]: (sum[status] ?? 0) + 1 }), {});

it('of 200 concurrent changes with the same If-Match one is made and 199 get 412', async () => {
  const task = await create();
  const answers = await times(200, (i) =>
    ada.api.patch<Task>(`/api/tasks/${task.id}`, { title: `By ${i}` }, { headers: { 'if-match': '"1"' } }),
  );
  expect(count(answers.map(({ status }) => status))).toEqual({ 200: 1, 412: 199 });
  const winner = answers.find(({ status }) => status === 200)?.body;
  expect(await read(task)).toEqual(winner);
  expect(winner?.version).toBe(2);
});

it('of 100 concurrent changes of different fields without If-Match none is lost', async () => {
  const task = await create();
  const last = { title: 'The end', description: 'of it', priority: 5, dueAt: '2030-01-31T09:00:00.000Z' };
  const fields = Object.entries(last);
  const answers = await times(100, (i) => {
    const [name, value] = fields[i % fields.length] as [string, unknown];
    return ada.api.patch<Task>(`/api/tasks/${task.id}`, { [name]: value });
  });
  expect(count(answers.map(({ status }) => status))).toEqual({ 200: 100 });
  expect(answers.map(({ body }) => body.version).sort((a, b) => a - b)).toEqual(
    Array.from({ length: 100 }, (_, i) => i + 2),
  );
  expect(await read(task)).toMatchObject({ ...last, status: 'TODO', version: 101 });
});

it('a reader sees only complete versions during writes', async () => {
  const task = await create();
  const write = async () => {
    for (let i = 1; i <= 30; i++) await ada.api.patch(`/api/tasks/${task.id}`, { title: `${i}`, description: `${i}` });
  };
  const torn: Task[] = [];
  const readOn = async () => {
    for (let seen = 1; seen < 31;) {
      const now = await read(task);
      if (now.version < seen || (now.version > 1 && now.title !== now.description)) torn.push(now);
      seen = now.version;
    }
  };
  await Promise.all([write(), readOn(), readOn()]);
  expect(torn).toEqual([]);
});

it('of 50 concurrent deletions one is made', async () => {
  const task = await create();
  const answers = await times(50, () => ada.api.delete(`/api/tasks/${task.id}`));
  expect(count(answers.map(({ status }) => status))).toEqual({ 204: 1, 404: 49 });
});

it('of 50 concurrent restorations one is made', async () => {
  const task = await create();
  await ada.api.delete(`/api/tasks/${task.id}`);
  const answers = await times(50, () => root.api.post(`/api/tasks/${task.id}/restore`));
  expect(count(answers.map(({ status }) => status))).toEqual({ 200: 1, 404: 49 });
});

it('concurrent deletions, restorations and changes cause no server error, and the version counts the changes', async () => {
  const task = await create();
  const answers = (
    await times(40, (i) =>
      Promise.all([
        ada.api.delete(`/api/tasks/${task.id}`),
        root.api.post(`/api/tasks/${task.id}/restore`),
        ada.api.patch(`/api/tasks/${task.id}`, { title: `By ${i}` }),
      ]),
    )
  ).flat();
  const done = answers.filter(({ status }) => status === 200 || status === 204).length;
  expect(answers.filter(({ status }) => ![200, 204, 404, 409].includes(status))).toEqual([]);
  const [row] = await server.sql<{ version: number }>('SELECT version FROM tasks WHERE uuid = $1', task.id);
  expect(row?.version).toBe(1 + done);
});

it('concurrent bulks of many users do not mix, and each id is used once', async () => {
  const people = await times(5, () => server.registerUser());
  const bulks = await times(20, async (i) => {
    const { user, api } = people[i % 5] as Person;
    const { body } = await api.post<Page<Task>>('/api/tasks/bulk', {
      tasks: Array.from({ length: 100 }, () => ({ title: `${i}` })),
    });
    return { user, items: body.items };
  });
  for (const { user, items } of bulks) expect(items.every(({ ownerId }) => ownerId === user.id)).toBe(true);
  expect(new Set(bulks.flatMap(({ items }) => items.map(({ id }) => id))).size).toBe(2_000);
  const [row] = await server.sql<{ keys: string }>(
    'SELECT count(DISTINCT id) AS keys FROM tasks WHERE title ~ $1',
    '^[0-9]+$',
  );
  expect(Number(row?.keys)).toBeGreaterThanOrEqual(2_000);
});
