// Checks cached reads: no statement when nothing changed, one for equal concurrent reads, and never an outdated response.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { AuditSealer } from '../../src/audit/seals/audit-sealer.js';
import type { Page, Problem, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

interface Status {
  hits: number;
  misses: number;
  size: number;
  averageResponseTime: number;
  hitRatio: string;
  totalRequests: number;
  timestamp: string;
  processes: number;
  layers: Array<{ name: string; hits: number; misses: number; size: number; evictions: number; hitRatio: string }>;
}

let server: TestServer;
let ada: Person;
let bob: Person;
let root: Person;
let task: Task;
let sent: jest.Spied<pg.Client['query']>;

beforeAll(async () => {
  server = await startServer({ APP_ROLE: 'api' });
  [ada, bob, root] = [await server.registerUser('Ada'), await server.registerUser('Bob'), await server.makeAdmin()];
  await server.app.get(AuditSealer).beforeApplicationShutdown(); // its statements would be counted
  sent = jest.spyOn(pg.Client.prototype, 'query');
  await until(async () => {
    await ada.api.get('/api/profile');
    return (await statementsOf(() => ada.api.get('/api/profile'))) === 0;
  }, 'the cache to hold its lease');
});
beforeEach(async () => {
  task = (await ada.api.post<Task>('/api/tasks', { title: 'first' })).body;
});
afterAll(async () => {
  jest.restoreAllMocks();
  await server.close();
});

/** Statements of background work (sequencer of events, messages between processes, reservation of ids) and of the audit of reads. */
const BACKGROUND = /^(?:events-|notify$|record-permission\.used$)|snowflake_lease/;

/** Counts the statements that requests send. */
async function statementsOf(work: () => Promise<unknown>): Promise<number> {
  sent.mockClear();
  await work();
  const statements = (sent.mock.calls as unknown[][]).map(([statement]) => statement as string | pg.QueryConfig);
  return statements.filter((one) => !BACKGROUND.test(typeof one === 'string' ? one : (one.name ?? one.text))).length;
}

const reads = (): Array<[string, () => Promise<unknown>]> => [
  ['/api/profile', () => ada.api.get('/api/profile')],
  ['/api/users/:id', () => ada.api.get(`/api/users/${ada.user.id}`)],
  ['/api/tasks/:id', () => ada.api.get(`/api/tasks/${task.id}`)],
  ['/api/tasks', () => ada.api.get('/api/tasks?limit=5&status=TODO')],
];

describe('a repeated read', () => {
  it.each(reads().map(([path], at) => [path, at] as const))('of %s sends no statement', async (_path, at) => {
    const read = (reads()[at] as [string, () => Promise<unknown>])[1];
    const first = await read();
    let second: unknown;
    expect(await statementsOf(async () => (second = await read()))).toBe(0);
    expect((second as { body: unknown }).body).toEqual((first as { body: unknown }).body);
  });

  it('of a page with q or dueBefore, or of a further page, sends its statements, since there are too many to cache', async () => {
    await ada.api.post('/api/tasks/bulk', { tasks: [{ title: 'milk' }, { title: 'milk' }] });
    const { nextCursor } = (await ada.api.get<Page<Task>>('/api/tasks?limit=1')).body;
    for (const [query, statements] of [
      ['q=milk', 2], // the texts, then the tasks
      ['dueBefore=2030-01-01T00:00:00Z', 1],
      [`limit=1&cursor=${nextCursor}`, 1],
    ] as const)
      for (let at = 0; at < 2; at++)
        expect(await statementsOf(() => ada.api.get(`/api/tasks?${query}`))).toBe(statements);
  });

  it('of a page has an ETag', async () => {
    const { headers } = await ada.api.get('/api/tasks?limit=3');
    const known = { headers: { 'if-none-match': headers.get('etag') as string } };
    expect((await ada.api.get('/api/tasks?limit=3', known)).status).toBe(304);
    await ada.api.post('/api/tasks', { title: 'another' });
    expect((await ada.api.get('/api/tasks?limit=3', known)).status).toBe(200);
  });

  it('that returns 304 sends no statement', async () => {
    const { headers } = await ada.api.get(`/api/tasks/${task.id}`);
    const etag = headers.get('etag') as string;
    let status = 0;
    const statements = await statementsOf(async () => {
      ({ status } = await ada.api.get(`/api/tasks/${task.id}`, { headers: { 'if-none-match': etag } }));
    });
    expect([status, statements]).toEqual([304, 0]);
  });

  it('of something missing sends no statement, and finds it as soon as it is restored', async () => {
    await ada.api.delete(`/api/tasks/${task.id}`);
    expect((await ada.api.get(`/api/tasks/${task.id}`)).status).toBe(404);
    expect(await statementsOf(() => ada.api.get(`/api/tasks/${task.id}`))).toBe(0);
    await root.api.post(`/api/tasks/${task.id}/restore`);
    expect((await ada.api.get(`/api/tasks/${task.id}`)).status).toBe(200);
  });
});

it('50 equal concurrent requests of one caller share one statement', async () => {
  const paths = [`/api/tasks/${task.id}`, '/api/tasks?limit=7'];
  for (const path of paths) {
    let answers: unknown[] = [];
    const ask = async (): Promise<void> => {
      answers = (await Promise.all(Array.from({ length: 50 }, () => ada.api.get(path)))).map(({ body }) => body);
    };
    expect(await statementsOf(ask)).toBe(1);
    expect(new Set(answers.map((body) => JSON.stringify(body))).size).toBe(1);
  }
});

describe('the next read shows a change', () => {
  const titles = async (): Promise<string[]> =>
    (await ada.api.get<Page<Task>>('/api/tasks?limit=100')).body.items.map(({ title }) => title);

  it('of a task and of the first page', async () => {
    for (let at = 0; at < 20; at++) {
      await titles();
      await ada.api.patch(`/api/tasks/${task.id}`, { title: `changed ${at}` });
      expect((await ada.api.get<Task>(`/api/tasks/${task.id}`)).body.title).toBe(`changed ${at}`);
      expect(await titles()).toContain(`changed ${at}`);
    }
  });

  it('when tasks are created, deleted and restored', async () => {
    const before = (await titles()).length;
    await ada.api.post('/api/tasks/bulk', { tasks: [{ title: 'b1' }, { title: 'b2' }] });
    expect(await titles()).toHaveLength(before + 2);
    await ada.api.delete(`/api/tasks/${task.id}`);
    expect(await titles()).toHaveLength(before + 1);
    await root.api.post(`/api/tasks/${task.id}/restore`);
    expect(await titles()).toHaveLength(before + 2);
  });

  it('of the profile and of the user, by the user or by an administrator', async () => {
    const names = async (): Promise<unknown[]> => [
      (await ada.api.get<{ name: string }>('/api/profile')).body.name,
      (await root.api.get<{ name: string }>(`/api/users/${ada.user.id}`)).body.name,
    ];
    await names();
    await ada.api.patch('/api/profile', { name: 'Ada Lovelace' });
    expect(await names()).toEqual(['Ada Lovelace', 'Ada Lovelace']);
    await root.api.patch(`/api/users/${ada.user.id}`, { name: 'Countess' });
    expect(await names()).toEqual(['Countess', 'Countess']);
  });

  it('only if the change was accepted', async () => {
    await ada.api.get(`/api/tasks/${task.id}`);
    const stale = await ada.api.patch(`/api/tasks/${task.id}`, { title: 'no' }, { headers: { 'if-match': '"7"' } });
    expect(stale.status).toBe(412);
    expect((await ada.api.get<Task>(`/api/tasks/${task.id}`)).body.title).toBe('first');
  });
});

it('the cached task of another user is not found', async () => {
  for (const { api, status } of [
    { api: ada.api, status: 200 },
    { api: bob.api, status: 404 },
    { api: root.api, status: 404 },
    { api: ada.api, status: 200 },
    { api: bob.api, status: 404 },
  ])
    expect((await api.get(`/api/tasks/${task.id}`)).status).toBe(status);
  expect((await bob.api.get<Page<Task>>('/api/tasks')).body.items).toEqual([]);
  expect((await bob.api.get(`/api/users/${ada.user.id}`)).status).toBe(404);
});

it('a browser may store a response for one user only, and must revalidate it each time', async () => {
  for (const path of ['/api/profile', `/api/tasks/${task.id}`, '/api/tasks']) {
    const { headers } = await ada.api.get(path);
    expect([headers.get('cache-control'), headers.get('vary')]).toEqual(['private, no-cache', 'Authorization']);
  }
  expect((await bob.api.get(`/api/tasks/${task.id}`)).headers.get('cache-control')).toBe('no-store');
});

describe('a created user', () => {
  const create = async (): Promise<string> =>
    (await root.api.post<{ id: string }>('/api/users', { username: `new-${Date.now()}`, hobbies: [] })).body.id;

  it('is cached: the first read sends no statement and returns what is in the database', async () => {
    const id = await create();
    let first: Awaited<ReturnType<typeof root.api.get>> | undefined;
    expect(await statementsOf(async () => (first = await root.api.get(`/api/users/${id}`)))).toBe(0);
    await root.api.delete('/api/cache');
    const loaded = await root.api.get(`/api/users/${id}`);
    expect([first?.status, first?.headers.get('etag'), first?.body]).toEqual([200, '"1"', loaded.body]);
  });

  it('is returned with a change that was made right after', async () => {
    const id = await create();
    expect((await root.api.patch(`/api/users/${id}`, { name: 'Changed' })).status).toBe(200);
    expect((await root.api.get(`/api/users/${id}`)).body).toMatchObject({ name: 'Changed', version: 2 });
  });

  it('is not cached when the creation was refused', async () => {
    const [id, size] = [await create(), async () => (await root.api.get<Status>('/api/cache-status')).body.size];
    const { username } = (await root.api.get<{ username: string }>(`/api/users/${id}`)).body;
    const before = await size();
    expect((await root.api.post<Problem>('/api/users', { username })).body.code).toBe('USER_USERNAME_TAKEN');
    expect(await size()).toBe(before);
  });
});

describe('GET /api/cache-status', () => {
  it('returns the required members and the layers', async () => {
    const { status, body, headers } = await root.api.get<Status>('/api/cache-status');
    expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
    expect(body).toEqual({
      hits: expect.any(Number),
      misses: expect.any(Number),
      size: expect.any(Number),
      averageResponseTime: expect.any(Number),
      hitRatio: expect.stringMatching(/^\d{1,3}\.\d\d%$/),
      totalRequests: body.hits + body.misses,
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      processes: 1,
      layers: [
        {
          name: 'memory',
          hits: expect.any(Number),
          misses: expect.any(Number),
          size: body.size,
          evictions: 0,
          hitRatio: expect.stringMatching(/^\d{1,3}\.\d\d%$/),
        },
      ],
    });
    expect(body.hitRatio).toBe(`${((body.hits / body.totalRequests) * 100).toFixed(2)}%`);
  });

  it('counts the evictions of a full cache', async () => {
    const small = await startServer({ APP_ROLE: 'api', CACHE_CAPACITY: '2' });
    const admin = await small.makeAdmin();
    const evictions = async (): Promise<number> =>
      (await admin.api.get<Status>('/api/cache-status')).body.layers[0]?.evictions ?? NaN;
    const before = await evictions();
    await until(async () => {
      for (let user = 0; user < 3; user++) await admin.api.post('/api/users', { username: `u${Math.random()}` });
      return (await evictions()) >= before + 3;
    }, 'the third of two entries to push one out');
    await small.close();
  });

  it('counts a read first as a miss, then as a hit', async () => {
    const counted = async (read: () => Promise<unknown>): Promise<number[]> => {
      const before = (await root.api.get<Status>('/api/cache-status')).body;
      await read();
      const after = (await root.api.get<Status>('/api/cache-status')).body;
      return [after.hits - before.hits, after.misses - before.misses];
    };
    const read = () => ada.api.get(`/api/tasks/${task.id}`);
    // The look-ups of Ada's principal, and of the administrator's in the second request, are hits themselves.
    expect(await counted(read)).toEqual([2, 1]);
    expect(await counted(read)).toEqual([3, 0]);
  });
});

describe('DELETE /api/cache', () => {
  it('removes the matching entries, returns their number, and writes a line to the audit log', async () => {
    await ada.api.get(`/api/tasks/${task.id}`);
    const { body } = await root.api.delete<{ entriesRemoved: number }>(`/api/cache?pattern=task:*:${task.id}`);
    expect(body).toEqual({
      message: 'Cache cleared successfully',
      entriesRemoved: 1,
      currentSize: expect.any(Number),
    });
    expect(await statementsOf(() => ada.api.get(`/api/tasks/${task.id}`))).toBe(1);
    const log = await root.api.get<Page<Record<string, unknown>>>('/api/audit-logs?action=cache.cleared&limit=1');
    expect(log.body.items[0]).toMatchObject({
      actorId: root.user.id,
      action: 'cache.cleared',
      details: { pattern: `task:*:${task.id}`, removed: 1 },
      requestId: expect.any(String),
    });
  });

  it('removes everything without a pattern', async () => {
    await ada.api.get(`/api/tasks/${task.id}`);
    const { body } = await root.api.delete<{ entriesRemoved: number; currentSize: number }>('/api/cache');
    expect(body.entriesRemoved).toBeGreaterThanOrEqual(2);
    expect(body.currentSize).toBe(0);
    expect((await root.api.get<Status>('/api/cache-status')).body.size).toBe(1); // the principal of the caller
  });

  it('is refused to users', async () => {
    const { status, body } = await ada.api.delete<Problem>('/api/cache');
    expect([status, body.code]).toEqual([403, 'FORBIDDEN']);
  });
});
