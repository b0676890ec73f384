// Checks the export and the statistics of users: every user that is not deleted is included, and an export can be imported again.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import type { User } from '../support/http/api.js';
import { downloadFile, finishedJob, requestJob, runJob, uploadFile } from '../support/jobs/job-requests.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(120_000);

/** More than two pages of a count and four of an export. */
const MANY = 2_100;

let dataDir: string;
let server: TestServer;
let root: Person;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast-export-'));
  server = await startServer({ DATA_DIR: dataDir });
  root = await server.makeAdmin();
});
afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});

const STRANGE: Array<Partial<User>> = [
  { email: 'plain@example.com', username: 'plain', name: 'Plain', age: 36, hobbies: ['chess', 'go'] },
  {
    email: "'quote@example.com",
    username: "'=x",
    name: "''@y",
    age: 0,
    hobbies: ["'", "'-1", '=1', ';', '\\', '\\;', 'a;b\\'],
  },
  { email: '=sum@example.com', username: '=HYPERLINK("x")', name: '+1', age: null, hobbies: ['@home', '"', ','] },
  { email: null, username: 'a;=1+1', name: `b;"=cmd|'/C calc'!A0;`, age: null, hobbies: ['c;=1', ';+1'] },
  { email: null, username: '-dash', name: 'Comma, "quote" and more', age: 150, hobbies: [] },
  { email: 'zoe@example.com', username: null, name: 'Zoë 😀 李', age: 1, hobbies: ['ÅΩ'] },
  { email: null, username: 'bom', name: '\ufeffbom', age: null, hobbies: ['\r\n x'.trim()] },
  { email: null, username: 'wide', name: '＝wide', age: null, hobbies: [] },
];

const shown = `SELECT email, username, name, age, hobbies FROM users WHERE deleted_at IS NULL AND password_hash IS NULL ORDER BY id`;

describe('an export of users', () => {
  it('contains all users that are not deleted, and nothing that a spreadsheet would execute', async () => {
    for (const user of STRANGE) expect((await root.api.post('/api/users', user)).status).toBe(201);
    const gone = await root.api.post<User>('/api/users', { username: 'gone' });
    await root.api.delete(`/api/users/${gone.body.id}`);
    const job = await runJob(root, 'users.export');
    expect(job).toMatchObject({ status: 'SUCCEEDED', progress: 100, result: { rows: STRANGE.length + 1 } });
    const { text, headers } = await downloadFile(root, job.result?.['fileId'] as string);
    expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
    expect(headers.get('content-disposition')).toMatch(/filename="users-\d{4}-\d\d-\d\d\.csv"/);
    expect(text.startsWith('id,email,username,name,age,hobbies,role,createdAt,updatedAt\r\n')).toBe(true);
    const rows = parse<Record<string, string>>(text, { columns: true, record_delimiter: '\r\n' });
    expect(rows.map(({ username }) => username)).not.toContain('gone');
    for (const cell of rows.flatMap((row) => Object.values(row))) expect(cell).not.toMatch(/^[=+\-@\t\r\n＝＋－＠]/);
    const { body } = await root.api.get<User>(`/api/users/${rows[1]?.['id']}`);
    expect(rows[1]).toEqual({
      ...{ id: body.id, email: 'plain@example.com', username: 'plain', name: 'Plain', age: '36', hobbies: 'chess;go' },
      ...{ role: 'USER', createdAt: body.createdAt, updatedAt: body.updatedAt },
    });
    expect(rows[0]).toMatchObject({ email: root.email, role: 'ADMIN' });
  });

  it('begins with a byte order mark on request', async () => {
    const startOf = async (payload: object): Promise<string> => {
      const { result } = await runJob(root, 'users.export', payload);
      return (await downloadFile(root, result?.['fileId'] as string)).text.slice(0, 3);
    };
    expect([await startOf({ bom: true }), await startOf({ bom: false })]).toEqual(['\ufeffid', 'id,']);
  });

  it('can be imported again without loss', async () => {
    const before = await server.sql(shown);
    const { result } = await runJob(root, 'users.export', { bom: true });
    const { text } = await downloadFile(root, result?.['fileId'] as string);
    await server.sql('UPDATE users SET deleted_at = now() WHERE password_hash IS NULL');
    const job = await runJob(root, 'users.import', { fileId: await uploadFile(root, text) });
    expect(job.result).toMatchObject({ rows: STRANGE.length + 1, added: STRANGE.length, rejected: 1 }); // root still exists
    expect(await server.sql(shown)).toEqual(before);
    expect(before.length).toBe(STRANGE.length);
  });

  it('reads page after page, each user once, and so do the statistics', async () => {
    await server.sql(
      `INSERT INTO users (id, uuid, username, age, hobbies, created_at)
       SELECT 1000 + n, gen_random_uuid(), 'many' || n, CASE WHEN n % 3 > 0 THEN n % 90 END, ARRAY['h' || n % 25, 'all'],
         timestamptz '2020-01-31T23:59:59Z' + n * interval '1 day' FROM generate_series(1, $1) AS n`,
      MANY,
    );
    const [{ n: users } = { n: 0 }] = await server.sql<{ n: number }>(
      'SELECT count(*)::integer AS n FROM users WHERE deleted_at IS NULL',
    );
    const { result } = await runJob(root, 'users.export');
    const { text } = await downloadFile(root, result?.['fileId'] as string);
    const rows = parse<{ id: string }>(text, { columns: true });
    expect([result?.['rows'], rows.length, new Set(rows.map(({ id }) => id)).size]).toEqual([users, users, users]);
  });
});

interface Counts {
  users: number;
  passwords: number;
  emails: number;
  known: number;
  min: number;
  max: number;
  mean: number;
  shares: number[];
}

describe('the statistics of users', () => {
  it('are equal to the counts of PostgreSQL', async () => {
    const job = await runJob(root, 'users.statistics');
    expect(job).toMatchObject({ status: 'SUCCEEDED', progress: 100, attempts: 1 });
    const living = 'FROM users WHERE deleted_at IS NULL';
    const [counts] = await server.sql<Counts>(
      `SELECT count(*)::integer AS users, count(password_hash)::float / count(*) AS passwords, count(email)::float / count(*) AS emails,
         count(age)::integer AS known, min(age), max(age), avg(age)::float AS mean,
         percentile_cont(ARRAY[0.5, 0.1, 0.25, 0.75, 0.9, 0.99]) WITHIN GROUP (ORDER BY age) AS shares ${living}`,
    );
    const [median, p10, p25, p75, p90, p99] = counts?.shares ?? [];
    const close = (value: unknown): unknown => expect.closeTo(value as number, 3);
    const pairs = async (sql: string): Promise<unknown> => server.sql(sql);
    expect(job.result).toEqual({
      users: counts?.users,
      byRole: { ADMIN: 1, USER: (counts?.users ?? 0) - 1 },
      byMonth: await pairs(
        `SELECT to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month, count(*)::integer AS users ${living} GROUP BY 1 ORDER BY 1`,
      ),
      age: {
        known: counts?.known,
        min: counts?.min,
        max: counts?.max,
        mean: close(counts?.mean),
        median: close(median),
        percentiles: { p10: close(p10), p25: close(p25), p75: close(p75), p90: close(p90), p99: close(p99) },
        byDecade: await pairs(
          `SELECT decade AS "from", (SELECT count(*)::integer ${living} AND age / 10 * 10 = decade) AS users
           FROM generate_series(0, 150, 10) AS decade ORDER BY 1`,
        ),
      },
      topHobbies: await pairs(
        `SELECT hobby, count(*)::integer AS users FROM (SELECT DISTINCT id, unnest(hobbies) COLLATE "C" AS hobby ${living}) AS each
         GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 20`,
      ),
      withPassword: close(counts?.passwords),
      withEmail: close(counts?.emails),
    });
  });

  it('are for administrators, and so are exports', async () => {
    const bob = await server.registerUser('Bob');
    for (const type of ['users.statistics', 'users.export'])
      expect(await bob.api.post('/api/jobs', { type })).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
    for (const payload of [{ all: true }, { bom: 'yes' }, { bom: null }])
      expect(await root.api.post('/api/jobs', { type: 'users.export', payload })).toMatchObject({ status: 400 });
  });
});

it('an export that is cancelled leaves no file', async () => {
  const files = async (): Promise<unknown> => server.sql('SELECT count(*) FROM files');
  const before = await files();
  const id = await requestJob(root, 'users.export');
  const { status } = await root.api.delete(`/api/jobs/${id}`);
  const job = await finishedJob(root, id);
  if (status !== 204) return expect(job.status).toBe('SUCCEEDED'); // it finished before the cancellation
  expect(job.status).toBe('CANCELLED');
  expect(await files()).toEqual(before);
});
