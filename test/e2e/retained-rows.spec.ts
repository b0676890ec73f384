// Checks that an owner leaves only so many ended rows: the oldest ones beyond the limit are deleted, and nothing else.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { LinkDto } from '../../src/files/links/dto/link.dto.js';
import { FileServer, type StoredFile } from '../support/files/file-server.js';
import type { Page, Wire } from '../support/http/api.js';
import { Tus } from '../support/http/tus.js';
import { type Job, finishedJob } from '../support/jobs/job-requests.js';
import type { Person, TestServer } from '../support/server/server.js';

jest.setTimeout(60_000);

const KEPT = 3;
const LINK_QUOTA = 2;
let fileServer: FileServer;
let server: TestServer;
let root: Person;

beforeAll(async () => {
  const areas = ['TASK', 'JOB', 'SESSION', 'FILE', 'LINK', 'UPLOAD'];
  const counts = Object.fromEntries(areas.map((area) => [`${area}_RETENTION_COUNT`, String(KEPT)]));
  const limits = { LINK_QUOTA: String(LINK_QUOTA), FILE_RETENTION: '3', FILE_RETENTION_BYTES: '1000' };
  fileServer = await FileServer.open({ ...counts, ...limits });
  ({ server } = fileServer);
  root = await server.makeAdmin();
});
afterAll(() => fileServer.close());

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

describe('deleted files', () => {
  const remove = async ({ api }: Person, { id }: StoredFile): Promise<void> =>
    expect((await api.delete(`/api/files/${id}`)).status).toBe(204);
  const link = async ({ api }: Person, { id }: StoredFile): Promise<Wire<LinkDto>> =>
    (await api.post<Wire<LinkDto>>(`/api/files/${id}/link`)).body;
  const left = async ({ user }: Person): Promise<string[]> =>
    (
      await server.sql<{ uuid: string }>(
        'SELECT uuid FROM files WHERE owner_uuid = $1 AND blob_id IS NOT NULL ORDER BY deleted_at',
        user.id,
      )
    ).map(({ uuid }) => uuid);
  /** Expects that the storage contains the bytes of these files, and of no others. */
  async function expectStored(ids: readonly string[]): Promise<void> {
    const paths = await Promise.all(ids.map((id) => fileServer.pathOf(id)));
    expect(paths.map((path) => path.split('/').at(-1)).sort()).toEqual((await fileServer.storedNames()).sort());
  }

  beforeEach(async () => {
    await server.sql(`UPDATE files SET deleted_at = now() - interval '5 days' WHERE deleted_at IS NOT NULL`);
    await run('files.tidy');
    await server.sql('DELETE FROM file_links; DELETE FROM files WHERE deleted_at IS NOT NULL');
  });

  it('each user keeps the latest FILE_RETENTION_COUNT; the bytes and links of the others go with their rows', async () => {
    const [ada, bob] = [await server.registerUser('Ada'), await server.registerUser('Bob')];
    const make = (person: Person) => fileServer.upload(person, randomBytes(10));
    const living = await make(ada);
    const ended = await inOrder(KEPT + 4, () => make(ada));
    const { url } = await link(ada, ended[0] as StoredFile);
    for (const file of ended) await remove(ada, file);
    const others = await inOrder(KEPT, () => make(bob));
    for (const file of others) await remove(bob, file);
    expect(await server.sql(`SELECT 1 FROM jobs WHERE type = 'files.purge' AND status = 'QUEUED'`)).toEqual([]);

    expect(await run('files.trim')).toEqual({ trimmed: 4 });
    expect(await left(ada)).toEqual([...ended.slice(4), living].map(({ id }) => id));
    expect(await server.sql('SELECT 1 FROM files WHERE owner_uuid = $1', ada.user.id)).toHaveLength(KEPT + 1);
    expect((await fetch(server.url + url)).status).toBe(404);
    await expectStored([...(await left(ada)), ...(await left(bob))]);
    expect((await root.api.post(`/api/files/${ended.at(-1)?.id}/restore`)).status).toBe(200);
    await remove(ada, living);
  });

  it('each user keeps the latest that fit into FILE_RETENTION_BYTES', async () => {
    const ada = await server.registerUser('Ada');
    const ended = await inOrder(KEPT, () => fileServer.upload(ada, randomBytes(400)));
    for (const file of ended) await remove(ada, file);
    expect(await run('files.trim')).toEqual({ trimmed: 1 });
    expect(await left(ada)).toEqual(ended.slice(1).map(({ id }) => id));
  });

  it('rows whose bytes are purged count, too', async () => {
    const ada = await server.registerUser('Ada');
    for (const file of await inOrder(KEPT + 1, () => fileServer.upload(ada, randomBytes(10)))) await remove(ada, file);
    await server.sql(`UPDATE files SET deleted_at = deleted_at - interval '5 days' WHERE owner_uuid = $1`, ada.user.id);
    await run('files.tidy');
    expect(await left(ada)).toEqual([]);
    expect(await run('files.trim')).toEqual({ trimmed: 1 });
    expect(await server.sql('SELECT 1 FROM files WHERE owner_uuid = $1', ada.user.id)).toHaveLength(KEPT);
  });

  it('links: each user keeps LINK_RETENTION_COUNT beside LINK_QUOTA; the oldest invalid ones go, valid ones stay', async () => {
    const ada = await server.registerUser('Ada');
    const file = await fileServer.upload(ada, 'first');
    const other = await fileServer.upload(ada, 'second');
    const valid = await link(ada, other);
    const made: string[] = [];
    for (let n = 0; n < 4; n++) {
      made.push((await link(ada, file)).id);
      await ada.api.patch(`/api/files/${file.id}`, { name: `version-${n}.txt` }); // ends the links to the version before
    }
    for (let n = 0; n < 3; n++) {
      const { id } = await link(ada, file);
      expect((await ada.api.delete(`/api/files/${file.id}/links/${id}`)).status).toBe(204);
      made.push(id);
    }
    expect(await run('links.trim')).toEqual({ trimmed: 1 + 7 - LINK_QUOTA - KEPT });
    const rows = await server.sql<{ uuid: string }>('SELECT uuid FROM file_links ORDER BY id');
    expect(rows.map(({ uuid }) => uuid)).toEqual([valid.id, ...made.slice(3)]);
    expect((await fetch(server.url + valid.url)).status).toBe(200);
  });
});

it('complete uploads: each user keeps the latest UPLOAD_RETENTION_COUNT; their files and open uploads stay', async () => {
  const ada = await server.registerUser('Ada');
  const tus = new Tus(ada.api);
  const open = await tus.begin(10);
  const paths: string[] = [];
  for (let n = 0; n < KEPT + 2; n++) {
    const path = await tus.begin(4, { filename: `${n}.txt` });
    expect((await tus.patch(path, 0, `abc${n}`)).status).toBe(204);
    paths.push(path);
  }
  expect(await run('uploads.trim')).toEqual({ trimmed: 2 });
  const statuses = await Promise.all([...paths, open].map(async (path) => (await tus.head(path)).status));
  expect(statuses).toEqual([404, 404, 200, 200, 200, 200]);
  expect((await ada.api.get<Page<StoredFile>>('/api/files')).body.items).toHaveLength(KEPT + 2);
});
