// Checks the scheduled clean-ups: what ended is deleted after the configured days, everything else stays.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AuditVerifier } from '../../src/audit/seals/audit-verifier.js';
import { CheckpointFile } from '../../src/audit/seals/checkpoint-file.js';
import { EventSequencer } from '../../src/shared/events/event-sequencer.js';
import { SNOWFLAKE_EPOCH } from '../../src/shared/database/snowflake-ids.js';
import type { AuditEntry, Page } from '../support/http/api.js';
import { type Job, finishedJob, uploadFile } from '../support/jobs/job-requests.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const DAY_MS = 86_400_000;
let server: TestServer;
let root: Person;

beforeAll(async () => {
  server = await startServer({
    SESSION_RETENTION: '3',
    LINK_RETENTION: '3',
    AUDIT_RETENTION: '3',
    TASK_RETENTION: '3',
    FILE_RETENTION: '3',
    REFRESH_IDLE_TTL: '86400',
  });
  root = await server.makeAdmin();
});
afterAll(() => server.close());

/** Returns snowflake keys that were created `days` ago. */
const keyOf = (days: number, n: number): string =>
  ((BigInt(Date.now() - days * DAY_MS - SNOWFLAKE_EPOCH) << 22n) + BigInt(n)).toString();
const ago = (days: number): string => `now() - interval '${days} days'`;

async function run(schedule: string): Promise<unknown> {
  const { status, body } = await root.api.post<Job>(`/api/schedules/${schedule}/run`);
  expect(status).toBe(202);
  const { result, ownerId } = await finishedJob(root, body.id);
  expect(ownerId).toBeNull();
  return result;
}

it('the clean-up schedules exist and run daily', async () => {
  const { body } = await root.api.get<Page<{ name: string; nextRunAt: string }>>('/api/schedules');
  for (const name of ['sessions.cleanup', 'links.cleanup', 'audit.cleanup', 'tasks.cleanup', 'files.cleanup']) {
    const schedule = body.items.find((one) => one.name === name);
    expect(Date.parse(schedule?.nextRunAt ?? '') - Date.now()).toBeLessThanOrEqual(DAY_MS);
  }
});

it('sessions are deleted SESSION_RETENTION days after they ended, expired or were last used, in several batches', async () => {
  const add = (days: number, count: number, agent: string, columns: { deleted: string; rotated: string; expires: string }) =>
    server.sql(
      `INSERT INTO sessions (id, uuid, user_id, salt, user_agent, deleted_at, rotated_at, expires_at)
       SELECT $1::bigint + n, gen_random_uuid(), u.id, 'salt', $3, ${columns.deleted}, ${columns.rotated}, ${columns.expires}
       FROM users u, generate_series(1, $4) n WHERE u.uuid = $2`,
      keyOf(days, count), root.user.id, agent, count,
    ); // prettier-ignore
  const lasting = { deleted: 'NULL', rotated: 'now()', expires: `now() + interval '1 day'` };
  await add(10, 2_500, 'revoked', { ...lasting, deleted: ago(3.1) });
  await add(11, 3, 'expired', { ...lasting, expires: ago(3.1) });
  await add(12, 4, 'idle', { ...lasting, rotated: ago(4.1) });
  await add(13, 2, 'kept: revoked lately', { ...lasting, deleted: ago(2.9) });
  await add(14, 2, 'kept: idle lately', { ...lasting, rotated: ago(3.9) });
  await add(15, 2, 'kept: lives', lasting);
  expect(await run('sessions.cleanup')).toEqual({ deleted: 2_507 });
  const left = await server.sql<{ agent: string }>(
    `SELECT DISTINCT user_agent AS agent FROM sessions WHERE salt = 'salt' ORDER BY 1`,
  );
  expect(left.map(({ agent }) => agent)).toEqual(['kept: idle lately', 'kept: lives', 'kept: revoked lately']);
  expect((await root.api.get('/api/profile')).status).toBe(200);
  expect(await run('sessions.cleanup')).toEqual({ deleted: 0 });
});

it('links are deleted LINK_RETENTION days after they expired or were revoked', async () => {
  const file = await uploadFile(root, 'a,b');
  const { body: living } = await root.api.post<{ id: string }>(`/api/files/${file}/link`, { expiresIn: 60 });
  const add = (days: number, version: number, deleted: string, expires: string) =>
    server.sql(
      `INSERT INTO file_links (id, uuid, file_id, file_version, deleted_at, expires_at)
       SELECT $1, gen_random_uuid(), id, $2, ${deleted}, ${expires} FROM files WHERE uuid = $3`,
      keyOf(days, version), version, file,
    ); // prettier-ignore
  await add(10, 101, ago(3.1), `now() + interval '1 day'`);
  await add(11, 102, 'NULL', ago(3.1));
  await add(12, 103, ago(2.9), `now() + interval '1 day'`);
  await add(13, 104, 'NULL', ago(2.9));
  await add(14, 105, 'NULL', `now() + interval '1 day'`);
  expect(await run('links.cleanup')).toEqual({ deleted: 2 });
  const left = await server.sql<{ version: number }>(
    'SELECT file_version AS version FROM file_links WHERE file_version > 100 ORDER BY 1',
  );
  expect(left.map(({ version }) => version)).toEqual([103, 104, 105]);
  expect(await server.sql('SELECT 1 FROM file_links WHERE uuid = $1', living.id)).toHaveLength(1);
});

it('entries of the audit log are deleted AUDIT_RETENTION days after they were sealed, and an entry states it', async () => {
  const verify = () => server.app.get(AuditVerifier).verify();
  const seals = () => server.sql<{ last: string }>('SELECT last FROM audit_seals ORDER BY first');
  const checkpoints = server.app.get(CheckpointFile);
  const database = new URL(server.databaseUrl).pathname.slice(1);
  /** Waits until all entries are sealed and the sealer has written its file, so that it writes no more of them. */
  const allSealed = async (): Promise<void> => {
    await server.app.get(EventSequencer).catchUp();
    await until(async () => {
      const [last, checkpoint] = [(await seals()).at(-1)?.last, await checkpoints.read(database)];
      return last !== undefined && checkpoint?.last === last && (await verify()).unsealed === 0;
    }, 'the seals and their checkpoint');
  };
  /** Seals an entry with this age. */
  const seal = async (days: number): Promise<void> => {
    server.advanceClock(-days * DAY_MS);
    await server.registerUser();
    await allSealed();
    server.advanceClock(days * DAY_MS);
  };
  expect(await run('audit.cleanup')).toEqual({ deleted: 0 });
  await allSealed();
  await checkpoints.remove(database); // it has today
  await server.sql(
    'ALTER TABLE audit_seals DISABLE TRIGGER USER; DELETE FROM audit_seals; ALTER TABLE audit_seals ENABLE TRIGGER USER',
  );
  await seal(3.1);
  const old = (await seals()).at(-1);
  await seal(2.9);
  const { deleted } = (await run('audit.cleanup')) as { deleted: number };
  expect(deleted).toBe(Number(old?.last));
  const { body } = await root.api.get<Page<AuditEntry>>('/api/audit-logs?action=audit.purged');
  expect(body.items[0]?.details).toMatchObject({ through: String(deleted), deleted, days: 3 });
  expect(await server.sql('SELECT FROM audit_log WHERE position <= $1', deleted)).toEqual([]);
  expect((await verify()).faults).toEqual([]);
});

it('tasks are purged TASK_RETENTION days after their deletion, in several batches; the others can be restored', async () => {
  const ada = await server.registerUser();
  const add = (days: number, count: number, title: string, deleted: string) =>
    server.sql(
      `INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, deleted_at)
       SELECT $1::bigint + n, gen_random_uuid(), u.id, u.uuid, $3, ${deleted} FROM users u, generate_series(1, $4) n WHERE u.uuid = $2`,
      keyOf(days, count), ada.user.id, title, count,
    ); // prettier-ignore
  const { body: task } = await ada.api.post<{ id: string }>('/api/tasks', { title: 'kept: lives' });
  await add(11, 2_500, 'deleted', ago(3.1));
  await add(10, 2, 'kept: deleted lately', ago(2.9));
  await add(9, 2, 'kept: lives', 'NULL');
  expect(await run('tasks.cleanup')).toEqual({ deleted: 2_500 });
  const left = await server.sql<{ title: string; id: string }>(
    'SELECT title, min(uuid::text) AS id FROM tasks WHERE owner_uuid = $1 GROUP BY 1 ORDER BY 1',
    ada.user.id,
  );
  expect(left.map(({ title }) => title)).toEqual(['kept: deleted lately', 'kept: lives']);
  expect((await root.api.post(`/api/tasks/${left[0]?.id}/restore`)).status).toBe(200);
  expect((await ada.api.get(`/api/tasks/${task.id}`)).status).toBe(200);
  expect(await run('tasks.cleanup')).toEqual({ deleted: 0 });
});

describe('rows of deleted files', () => {
  /** Inserts files that were created `days` ago. */
  const add = (days: number, count: number, name: string, columns: { deleted: string; changed: string; blob: string }) =>
    server.sql(
      `INSERT INTO files (id, uuid, owner_id, owner_uuid, name, mime_type, declared_type, size, sha256, deleted_at, updated_at, blob_id)
       SELECT $1::bigint + n, gen_random_uuid(), u.id, u.uuid, $3, '', '', 1, '', ${columns.deleted}, ${columns.changed}, ${columns.blob}
       FROM users u, generate_series(1, $4) n WHERE u.uuid = $2`,
      keyOf(days, count), root.user.id, name, count,
    ); // prettier-ignore
  const left = async (): Promise<string[]> =>
    (await server.sql<{ name: string }>('SELECT DISTINCT name FROM files ORDER BY 1')).map(({ name }) => name);

  beforeEach(async () => {
    await server.sql('DELETE FROM file_links');
    await server.sql('DELETE FROM files');
  });

  it('are deleted a day after their bytes were purged, in several batches', async () => {
    const whole = await uploadFile(root, 'c,d');
    const [file = { blob: '' }] = await server.sql<{ blob: string }>('SELECT blob_id AS blob FROM files');
    const purged = { deleted: ago(5), changed: ago(1.1), blob: 'NULL' };
    await add(10, 2_500, 'purged', purged);
    await add(9, 2, 'kept: purged lately', { ...purged, changed: ago(0.9) });
    await add(8, 2, 'kept: has its bytes', { ...purged, deleted: ago(2.9), blob: file.blob });
    await add(7, 2, 'kept: lives', { ...purged, deleted: 'NULL', blob: file.blob });
    expect(await run('files.cleanup')).toEqual({ deleted: 2_500 });
    expect(await left()).toEqual(['kept: has its bytes', 'kept: lives', 'kept: purged lately', 'people.csv']);
    expect((await root.api.get(`/api/files/${whole}`)).status).toBe(200);
    expect(await run('files.cleanup')).toEqual({ deleted: 0 });
  });

  /** Uploads a file as if `days` ago, and returns its id. */
  async function uploadAgo(days: number, content: string): Promise<string> {
    const id = await uploadFile(root, content);
    await server.sql('UPDATE files SET id = $1 WHERE uuid = $2', keyOf(days, 1), id);
    return id;
  }

  it('count from the purge of their bytes, not from their deletion', async () => {
    await uploadAgo(6, 'e,f');
    await server.sql(`UPDATE files SET deleted_at = ${ago(5)}, updated_at = ${ago(5)}`);
    await run('files.tidy');
    expect(await server.sql('SELECT blob_id, version FROM files')).toEqual([{ blob_id: null, version: 1 }]);
    expect(await run('files.cleanup')).toEqual({ deleted: 0 });
    await server.sql(`UPDATE files SET updated_at = updated_at - interval '25 hours'`);
    expect(await run('files.cleanup')).toEqual({ deleted: 1 });
  });

  it('are deleted after their links, which go as soon as the bytes have been purged for a day', async () => {
    const [gone, kept] = [await uploadAgo(6, 'g,h'), await uploadAgo(5, 'i,j')];
    const urls: string[] = [];
    for (const [days, file] of [[4, gone], [3, kept]] as const) {
      const { body } = await root.api.post<{ id: string; url: string }>(`/api/files/${file}/link`, { expiresIn: 2_592_000 });
      await server.sql('UPDATE file_links SET id = $1 WHERE uuid = $2', keyOf(days - 1.5, 1), body.id);
      urls.push(body.url);
      expect((await root.api.delete(`/api/files/${file}`)).status).toBe(204);
    }
    await server.sql(`UPDATE files SET deleted_at = ${ago(5)} WHERE uuid = $1`, gone);
    await run('files.tidy');
    await server.sql(`UPDATE files SET updated_at = ${ago(1.1)}`);
    expect(await run('files.cleanup')).toEqual({ deleted: 0 });
    expect((await root.api.get(urls[0] as string)).status).toBe(410);
    expect(await run('links.cleanup')).toEqual({ deleted: 1 });
    expect(await run('files.cleanup')).toEqual({ deleted: 1 });
    expect(await server.sql('SELECT uuid FROM files')).toEqual([{ uuid: kept }]);
    expect(await Promise.all(urls.map(async (url) => (await root.api.get(url)).status))).toEqual([404, 410]);
  }); // prettier-ignore
});
