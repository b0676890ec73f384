// Checks tasks over HTTP: create, read, change, delete, restore, bulk creation and ownership.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Page, Problem, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

let server: TestServer;
let ada: Person;
let root: Person;
beforeAll(async () => {
  server = await startServer();
  ada = await server.registerUser();
  root = await server.makeAdmin();
});
afterAll(() => server.close());

async function create(values: object = {}, owner = ada): Promise<Task> {
  const { status, body } = await owner.api.post<Task>('/api/tasks', { title: 'Buy milk', ...values });
  expect(status).toBe(201);
  return body;
}

const pathOf = (task: Task): string => `/api/tasks/${task.id}`;

describe('a task', () => {
  it('is created with defaults, and the response has its location', async () => {
    const { status, headers, body } = await ada.api.post<Task>('/api/tasks', { title: '  Buy milk  ' });
    expect(status).toBe(201);
    expect(body).toEqual({
      id: expect.stringMatching(UUID_V7) as unknown,
      ownerId: ada.user.id,
      title: 'Buy milk',
      description: '',
      status: 'TODO',
      priority: 3,
      dueAt: null,
      createdAt: expect.stringMatching(TIME) as unknown,
      updatedAt: body.createdAt,
      version: 1,
    });
    expect([headers.get('location'), headers.get('etag')]).toEqual([`/api/tasks/${body.id}`, '"1"']);
    expect((await ada.api.get<Task>(headers.get('location') as string)).body).toEqual(body);
  });

  it('has a location under the path of the request, without its query', async () => {
    const v1 = await ada.api.post<Task>('/api/v1/tasks?from=import', { title: 'Twin' });
    expect([v1.status, v1.headers.get('location')]).toEqual([201, `/api/v1/tasks/${v1.body.id}`]);
    expect((await ada.api.get<Task>(`/api/v1/tasks/${v1.body.id}`)).body).toEqual(v1.body);
    expect((await ada.api.get<Task>(pathOf(v1.body))).body).toEqual(v1.body);
  });

  it('keeps every given field, with times in UTC', async () => {
    const values = { title: 'Ünïcode 🎉 <b>', description: 'a\nb\t"c"\\', status: 'IN_PROGRESS', priority: 5 };
    const task = await create({ ...values, dueAt: '2030-01-31T09:00:00+02:00' });
    expect((await ada.api.get<Task>(pathOf(task))).body).toMatchObject({
      ...values,
      dueAt: '2030-01-31T07:00:00.000Z',
    });
  });

  it.each(['put', 'patch'] as const)(
    'with %s changes the given fields, keeps the absent ones, and clears dueAt with null',
    async (verb) => {
      const task = await create({ description: 'Two bottles', priority: 4, dueAt: '2030-01-31T09:00:00.000Z' });
      const changed = await ada.api[verb]<Task>(pathOf(task), { status: 'DONE' });
      expect(changed).toMatchObject({
        status: 200,
        body: { ...task, status: 'DONE', version: 2, updatedAt: changed.body.updatedAt },
      });
      expect(changed.body.updatedAt >= task.updatedAt).toBe(true);
      expect(changed.headers.get('etag')).toBe('"2"');
      const cleared = await ada.api[verb]<Task>(pathOf(task), { dueAt: null });
      expect(cleared.body).toEqual({ ...changed.body, dueAt: null, version: 3, updatedAt: cleared.body.updatedAt });
      for (const field of ['title', 'description', 'status', 'priority'])
        expect(await ada.api[verb](pathOf(task), { [field]: null })).toMatchObject({
          status: 400,
          body: { errors: [{ field }] },
        });
      expect((await ada.api.get<Task>(pathOf(task))).body).toEqual(cleared.body);
    },
  );

  it('does not change with an empty change, and keeps its version', async () => {
    const task = await create();
    expect((await ada.api.patch<Task>(pathOf(task), {})).body).toEqual(task);
    expect((await ada.api.patch(pathOf(task), {}, { headers: { 'if-match': '"7"' } })).status).toBe(412);
  });

  it('is not found after its deletion, and is found again after an administrator restores it', async () => {
    const task = await create();
    const gone = { status: 404, body: { code: 'TASK_NOT_FOUND' } };
    const deleted = await ada.api.delete(pathOf(task));
    expect([deleted.status, deleted.body]).toEqual([204, undefined]);
    expect(await ada.api.get(pathOf(task))).toMatchObject(gone);
    expect(await ada.api.patch(pathOf(task), { title: 'x' })).toMatchObject(gone);
    expect(await ada.api.delete(pathOf(task))).toMatchObject(gone);
    expect((await ada.api.get<Page<Task>>('/api/tasks?limit=100')).body.items.map(({ id }) => id)).not.toContain(
      task.id,
    );

    expect(await ada.api.get('/api/tasks?deleted=true')).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    expect(await ada.api.post(`${pathOf(task)}/restore`)).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    const { body: deletedOnes } = await root.api.get<Page<Task>>('/api/tasks?deleted=true');
    expect(deletedOnes.items[0]).toEqual({
      ...task,
      version: 2,
      updatedAt: expect.stringMatching(TIME) as unknown,
      deletedAt: expect.stringMatching(TIME) as unknown,
    });
    const restored = await root.api.post<Task>(`${pathOf(task)}/restore`);
    expect(restored).toMatchObject({ status: 200, body: { ...task, version: 3, updatedAt: restored.body.updatedAt } });
    expect(restored.body).not.toHaveProperty('deletedAt');
    expect((await ada.api.get<Task>(pathOf(task))).body).toEqual(restored.body);
    expect(await root.api.post(`${pathOf(task)}/restore`)).toMatchObject(gone);
  });

  it('of an administrator is in the list with deleted=false', async () => {
    const task = await create({}, root);
    expect((await root.api.get<Page<Task>>('/api/tasks?deleted=false')).body.items).toEqual([task]);
    expect((await ada.api.get('/api/tasks?deleted=false')).status).toBe(200);
  });
});

it('the task of another user is not found by any method, not even of an administrator, and does not change', async () => {
  const task = await create();
  const stranger = await server.registerUser();
  const missing = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
  for (const { api } of [stranger, root]) {
    const answers = (id: string) =>
      Promise.all([
        api.get(`/api/tasks/${id}`),
        api.put(`/api/tasks/${id}`, { title: 'mine' }),
        api.patch(`/api/tasks/${id}`, { title: 'mine' }),
        api.patch(`/api/tasks/${id}`, {}),
        api.patch(`/api/tasks/${id}`, { title: 'mine' }, { headers: { 'if-match': '"1"' } }),
        api.delete(`/api/tasks/${id}`),
        api.get(`/api/v1/tasks/${id}`),
      ]);
    const [theirs, nobodys] = [await answers(task.id), await answers(missing)];
    for (const { status, body } of theirs) expect([status, body.code]).toEqual([404, 'TASK_NOT_FOUND']);
    expect(theirs.map(({ body }) => body.detail.replace(task.id, missing))).toEqual(
      nobodys.map(({ body }) => body.detail),
    );
    expect((await api.request('HEAD', pathOf(task))).status).toBe(404);
    expect((await api.get<Page<Task>>('/api/tasks?limit=100')).body.items.map(({ id }) => id)).not.toContain(task.id);
  }
  expect((await ada.api.get<Task>(pathOf(task))).body).toEqual(task);
});

describe('a bulk of tasks', () => {
  const bulk = (tasks: unknown, owner = ada) => owner.api.post<Page<Task> & Problem>('/api/tasks/bulk', { tasks });
  const many = (count: number) => Array.from({ length: count }, (_, i) => ({ title: `Task ${i}` }));

  it('of 500 is stored completely and in order', async () => {
    const bob = await server.registerUser('Bob');
    const { status, body } = await bulk(many(500), bob);
    expect(status).toBe(201);
    expect(body.items.map(({ title }) => title)).toEqual(many(500).map(({ title }) => title));
    expect(body.items.every(({ ownerId, version }) => ownerId === bob.user.id && version === 1)).toBe(true);
    expect(new Set(body.items.map(({ id }) => id)).size).toBe(500);
    const [row] = await server.sql<{ count: string }>('SELECT count(*) FROM tasks WHERE owner_uuid = $1', bob.user.id);
    expect(row?.count).toBe('500');
  });

  it.each<[string, unknown, string]>([
    ['of 501', many(501), 'tasks'],
    ['of none', [], 'tasks'],
    ['that is not an array', { title: 'x' }, 'tasks'],
    ['with one bad task among good ones', [...many(3), { title: '' }, ...many(3)], 'tasks.3.title'],
    ['with an unknown member in a task', [...many(1), { title: 'x', ownerId: 'me' }], 'tasks.1.ownerId'],
    ['with a null item', [...many(2), null], 'tasks'],
    ['with a text item', [...many(2), 'Buy milk'], 'tasks'],
    ['of arrays', [many(1)], 'tasks'],
  ])('%s is refused and stores nothing', async (_what, tasks, field) => {
    const bob = await server.registerUser('Bob');
    const { status, body } = await bulk(tasks, bob);
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(body.errors?.[0]?.field).toMatch(new RegExp(`^${field}`));
    expect((await bob.api.get<Page<Task>>('/api/tasks')).body.items).toEqual([]);
  });
});
