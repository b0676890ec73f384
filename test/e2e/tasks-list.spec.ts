// Checks task lists: filters, every sort order page by page, and cursors that cannot be forged.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer, Page, Problem, Task } from '../support/http/api.js';
import { below, mutations, pick, seeded } from '../support/fuzz/random.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

const random = seeded(60);
const STATUSES = ['TODO', 'IN_PROGRESS', 'DONE'] as const;

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** Few different values, so that many rows are equal in a sort order; a third has no due time. */
function randomTask(): object {
  const day = below(random, 6);
  const dueAt = day > 3 ? null : `2030-01-0${day + 1}T00:00:00.000Z`;
  return { title: `Task ${below(random, 100)}`, priority: 1 + below(random, 5), status: pick(random, STATUSES), dueAt };
}

/** Creates sixty tasks in bulks of twenty, so that creation times are equal too; some are changed later. */
async function withTasks(): Promise<Person> {
  const owner = await server.registerUser();
  for (let bulk = 0; bulk < 3; bulk++) {
    const tasks = Array.from({ length: 20 }, randomTask);
    const { body } = await owner.api.post<Page<Task>>('/api/tasks/bulk', { tasks });
    await Promise.all(
      body.items.slice(0, 5).map(({ id }) => owner.api.patch(`/api/tasks/${id}`, { title: 'Changed' })),
    );
  }
  return owner;
}

async function readAll(owner: Person, query: string, between: () => Promise<unknown> = () => Promise.resolve()) {
  const pages: Task[][] = [];
  for (let cursor: string | null = ''; cursor !== null; await between()) {
    const { status, body }: { status: number; body: Page<Task> } = await owner.api.get<Page<Task>>(
      `/api/tasks?${query}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    expect(status).toBe(200);
    pages.push(body.items);
    cursor = body.nextCursor;
  }
  return pages;
}

/** Returns the sort key of a task; null is the greatest and comes last. */
const keyOf = (task: Task, field: keyof Task): string => String(task[field] ?? '9999');

describe.each(['createdAt', 'updatedAt', 'priority', 'dueAt'] as const)('tasks sorted by %s', (field) => {
  describe.each(['', '-'])('with the prefix "%s"', (minus) => {
    it('are each returned once and in order, seven to a page', async () => {
      const owner = await withTasks();
      const pages = await readAll(owner, `limit=7&sort=${minus}${field}`);
      expect(pages.map(({ length }) => length)).toEqual([7, 7, 7, 7, 7, 7, 7, 7, 4]);
      const tasks = pages.flat();
      expect(new Set(tasks.map(({ id }) => id)).size).toBe(60);
      const keys = tasks.map((task) => keyOf(task, field));
      expect(keys).toEqual(minus ? keys.toSorted().toReversed() : keys.toSorted());
      expect(new Set(keys).size).toBeLessThan(60);
    });

    it('are neither skipped nor repeated when others are inserted between the pages', async () => {
      const owner = await withTasks();
      const before = (await readAll(owner, 'limit=100')).flat().map(({ id }) => id);
      const insert = () => owner.api.post('/api/tasks/bulk', { tasks: Array.from({ length: 3 }, randomTask) });
      let inserts = 6; // limited, since in some orders each new task extends the rest of the list
      const pages = await readAll(owner, `limit=7&sort=${minus}${field}`, async () => inserts-- > 0 && insert());
      const ids = pages.flat().map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(before.filter((id) => !ids.includes(id))).toEqual([]);
    });
  });
});

describe('a page', () => {
  it('has 20 tasks and the newest first by default', async () => {
    const owner = await withTasks();
    const { body } = await owner.api.get<Page<Task>>('/api/tasks');
    expect(body.items).toHaveLength(20);
    expect(body.items).toEqual((await owner.api.get<Page<Task>>('/api/tasks?limit=20&sort=-createdAt')).body.items);
  });

  it('has fewer tasks than requested when they are large, and none is skipped', async () => {
    const owner = await server.registerUser();
    const large = Array.from({ length: 8 }, (_, n) => ({ title: `Large ${n}`, description: '😀'.repeat(10_000) }));
    for (let bulk = 0; bulk < 5; bulk++) await owner.api.post('/api/tasks/bulk', { tasks: large });
    const pages = await readAll(owner, 'limit=100&sort=createdAt');
    expect(pages.map(({ length }) => length)).toEqual([13, 13, 13, 1]);
    expect(new Set(pages.flat().map(({ id }) => id)).size).toBe(40);
  });

  it('links to the next page with the same filters; the last page has no link', async () => {
    const owner = await withTasks();
    const seen: string[] = [];
    let next: string | undefined = '/api/v1/tasks?limit=25&sort=priority&q=a';
    while (next !== undefined) {
      const { status, body, headers }: Answer<Page<Task>> = await owner.api.get(next);
      expect(status).toBe(200);
      seen.push(...body.items.map(({ id }) => id));
      next = /^<(\/api\/v1\/tasks\?[^>]*limit=25[^>]*)>; rel="next"$/.exec(headers.get('link') ?? '')?.[1];
      expect(next === undefined).toBe(body.nextCursor === null);
      if (body.nextCursor !== null)
        expect(new URL(next ?? '', server.url).searchParams.get('cursor')).toBe(body.nextCursor);
    }
    expect(new Set(seen).size).toBe(60);
  });

  it('links to the next page with a filter that contains a question mark, a plus and an ampersand', async () => {
    const owner = await server.registerUser();
    const title = 'who?what&when+where %_';
    await owner.api.post('/api/tasks/bulk', { tasks: [{ title }, { title: 'other' }, { title }] });
    for (const q of [encodeURIComponent(title), 'who?what']) {
      const first = await owner.api.get<Page<Task>>(`/api/tasks?q=${q}&limit=1`);
      const link = /^<([^>]*)>/.exec(first.headers.get('link') ?? '')?.[1] as string;
      const params = new URL(link, server.url).searchParams;
      expect([params.get('q'), params.get('limit')]).toEqual([decodeURIComponent(q), '1']);
      const second = await owner.api.get<Page<Task>>(link);
      expect([first, second].map(({ body }) => body.items.map((task) => task.title))).toEqual([[title], [title]]);
      expect(second.body.nextCursor).toBeNull();
    }
  });

  it.each(['0', '101', 'abc', '007', '-1', '1.5', '1e1', '', ' 5', '0x10', '99999999999999999999', '5&limit=6'])(
    'with limit "%s" is refused',
    async (limit) => {
      const owner = await server.registerUser();
      const { status, body } = await owner.api.get(`/api/tasks?limit=${limit}`);
      expect([status, body.code, body.errors?.[0]?.field]).toEqual([400, 'VALIDATION_FAILED', 'limit']);
    },
  );

  it.each([
    'sort=title',
    'sort=id',
    'sort=--createdAt',
    'sort=createdAt,priority',
    'sort=',
    'page=2',
    'deleted=1',
    'priority=6',
  ])('with "%s" is refused', async (query) => {
    const root = await server.makeAdmin();
    const { status, body } = await root.api.get(`/api/tasks?${query}`);
    expect([status, body.errors?.[0]?.field]).toEqual([400, query.split('=')[0]]);
  });
});

describe('a cursor', () => {
  it('of another order or list, or a changed or invented one, is refused', async () => {
    const root = await server.makeAdmin();
    await root.api.post('/api/tasks/bulk', { tasks: Array.from({ length: 5 }, randomTask) });
    const { body: page } = await root.api.get<Page<Task>>('/api/tasks?limit=2&sort=priority');
    const { body: users } = await root.api.get<Page<Task>>('/api/users?limit=1&sort=createdAt');
    const good = page.nextCursor as string;
    const wrong: Array<[string, string]> = [
      ...['-priority', 'createdAt', '-createdAt', 'dueAt'].map((sort): [string, string] => [sort, good]),
      ['createdAt', users.nextCursor as string],
      ...mutations(good, 200, seeded(800)).map((cursor): [string, string] => ['priority', cursor]),
      ...['x', '0', 'null', 'AAAA', Buffer.from('["1","1"]').toString('base64url')].map((c): [string, string] => [
        'priority',
        c,
      ]),
    ];
    for (const [sort, cursor] of wrong) {
      const { status, body } = await root.api.get<Problem>(
        `/api/tasks?sort=${sort}&cursor=${encodeURIComponent(cursor)}`,
      );
      expect([cursor, status, body.code]).toEqual([cursor, 400, 'INVALID_CURSOR']);
    }
    expect((await root.api.get(`/api/tasks?sort=priority&cursor=${good}`)).status).toBe(200);
  });

  it('does not contain the key of its row, and gives no access to the tasks of other users', async () => {
    const owner = await withTasks();
    const stranger = await server.registerUser();
    const cursor = (await owner.api.get<Page<Task>>('/api/tasks?limit=7')).body.nextCursor as string;
    const [row] = await server.sql<{ id: string }>('SELECT id FROM tasks WHERE owner_uuid = $1 LIMIT 1', owner.user.id);
    expect(Buffer.from(cursor, 'base64url').toString('latin1')).not.toContain(row?.id.slice(0, 8));
    expect((await stranger.api.get<Page<Task>>(`/api/tasks?cursor=${cursor}`)).body.items).toEqual([]);
  });
});

describe('a filter', () => {
  let owner: Person;
  beforeAll(async () => {
    owner = await server.registerUser();
    const tasks = [
      { title: '100% sure', status: 'DONE', priority: 1, dueAt: '2030-01-01T00:00:00.000Z' },
      { title: '100 percent', status: 'DONE', priority: 2, dueAt: '2030-01-02T00:00:00.000Z' },
      { title: 'snake_case', description: 'BUTTER', priority: 2 },
      { title: 'snakeXcase', description: 'a \\ backslash', status: 'IN_PROGRESS', priority: 5 },
      { title: 'Ünïcode', description: "Robert'); DROP TABLE tasks;--" },
    ];
    expect((await owner.api.post('/api/tasks/bulk', { tasks })).status).toBe(201);
    await (await server.registerUser()).api.post('/api/tasks', { title: '100% sure too' });
  });

  it.each([
    ['status=DONE', ['100% sure', '100 percent']],
    ['status=IN_PROGRESS', ['snakeXcase']],
    ['priority=2', ['100 percent', 'snake_case']],
    ['priority=2&status=TODO', ['snake_case']],
    ['q=100%25', ['100% sure']],
    ['q=snake_case', ['snake_case']],
    ['q=_', ['snake_case']],
    ['q=%25', ['100% sure']],
    ['q=%5C', ['snakeXcase']],
    ['q=butter', ['snake_case']],
    ['q=SNAKE', ['snake_case', 'snakeXcase']],
    ['q=%C3%9CN%C3%8FCODE', ['Ünïcode']],
    ["q=Robert')%3B DROP", ['Ünïcode']],
    ['q=nowhere', []],
    ['dueBefore=2030-01-02T00:00:00.000Z', ['100% sure']],
    ['dueBefore=2030-01-02T01:00:00%2B01:00', ['100% sure']],
    ['dueBefore=2030-01-03T00:00:00Z&status=DONE&q=100&priority=2', ['100 percent']],
  ])('%s returns the matching tasks', async (query, titles) => {
    const { status, body } = await owner.api.get<Page<Task>>(`/api/tasks?sort=createdAt&${query}`);
    expect([status, body.items.map(({ title }) => title)]).toEqual([200, titles]);
  });
});
