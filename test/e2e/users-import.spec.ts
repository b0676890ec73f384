// Checks the import of users: valid rows are added, invalid ones are reported, and no user is added twice after any failure.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Worker } from 'node:worker_threads';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import pg from 'pg';
import type { ImportedUser } from '../../src/users/import/import-row.js';
import { UserErrors } from '../../src/users/users.errors.js';
import { UsersBulkRepository } from '../../src/users/users-bulk.repository.js';
import { ThreadPools } from '../../src/workers/threads/thread-pools.js';
import { downloadFile, type Job, finishedJob, requestJob, runJob, uploadFile } from '../support/jobs/job-requests.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

const BATCH = 500;

let dataDir: string;
let server: TestServer;
let root: Person;
let bulk: UsersBulkRepository;
beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast-import-'));
  server = await startServer({ DATA_DIR: dataDir, THREADS_DATA: '2' });
  root = await server.makeAdmin();
  bulk = server.app.get(UsersBulkRepository);
});
afterAll(async () => {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
});
beforeEach(() => server.sql(`DELETE FROM users WHERE role = 'USER' AND id NOT IN (SELECT user_id FROM sessions)`));
afterEach(() => void jest.restoreAllMocks());

interface Row {
  email: string | null;
  username: string | null;
  name: string | null;
  age: number | null;
  hobbies: string[];
}
const imported = (): Promise<Row[]> =>
  server.sql<Row>(`SELECT email, username, name, age, hobbies FROM users WHERE password_hash IS NULL ORDER BY id`);
const countImported = async (): Promise<number> => (await imported()).length;
const countFiles = async (): Promise<number> =>
  (await server.sql<{ n: number }>('SELECT count(*)::integer AS n FROM files'))[0]?.n ?? 0;

async function importOf(content: string | Uint8Array<ArrayBuffer>, options: { encoding?: string } = {}): Promise<Job> {
  return runJob(root, 'users.import', { fileId: await uploadFile(root, content), ...options });
}
async function rejectionsOf(job: Job): Promise<string[]> {
  const { text, headers } = await downloadFile(root, job.result?.['fileId'] as string);
  expect(headers.get('content-type')).toBe('text/csv; charset=utf-8');
  const [header, ...lines] = parse(text, { record_delimiter: '\r\n' });
  expect(header).toEqual(['row', 'column', 'reason', 'message']);
  for (const [, , , message] of lines) expect(message).toMatch(/\.$/);
  return lines.map((line) => line.slice(0, 3).join(' '));
}
/** Returns `count` rows of people without an account. */
const people = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `p${index}@example.com,p${index},"P, ${index}",${index % 100},go;chess`);
const asFile = (rows: readonly string[]): string => ['email,username,name,age,hobbies', ...rows, ''].join('\r\n');

const MIXED = asFile([
  'ada@example.com,ada,Ada Lovelace,36,math;poetry',
  'not an address,bob,Bob,,',
  `" Grace@Example.COM ",grace,"Grace ""Amazing"" Hopper, Rear Admiral",85,"navy;'=cobol;a\\;b"`,
  'ADA@example.com,other,Ada again,,',
  'linus@example.com,ADA,Linus,,',
  ',,Nobody,1,',
  ',zoe,Zoe\u0308 😀,0,',
  `broken@example.com,"bro"ken,B,1,`,
  'few@example.com,few',
  'many@example.com,many,,,,many',
  `long@example.com,${'u'.repeat(51)},${'n'.repeat(101)},200,${'h'.repeat(101)}`,
  '',
  'taken@example.com,fresh,Taken,,',
  `huge@example.com,huge,"${'x'.repeat(70_000)}",,`,
  'lines@example.com,lines,"Two\r\nlines",,',
  'last@example.com,,,,',
]);

describe('an imported file', () => {
  it('adds its valid rows, and reports every other one with the reason', async () => {
    await server.sql(
      `INSERT INTO users (id, uuid, email, password_hash) VALUES (1, gen_random_uuid(), 'taken@example.com', 'x')`,
    );
    const job = await importOf(MIXED);
    expect(job).toMatchObject({ status: 'SUCCEEDED', progress: 100, attempts: 1 });
    expect(job.result).toEqual({ rows: 15, added: 5, rejected: 10, fileId: expect.any(String) });
    const hobbies = ['navy', '=cobol', 'a;b'];
    expect(await imported()).toEqual([
      { email: 'ada@example.com', username: 'ada', name: 'Ada Lovelace', age: 36, hobbies: ['math', 'poetry'] },
      {
        email: 'grace@example.com',
        username: 'grace',
        name: 'Grace "Amazing" Hopper, Rear Admiral',
        age: 85,
        hobbies,
      },
      { email: null, username: 'zoe', name: 'Zoë 😀', age: 0, hobbies: [] },
      { email: 'few@example.com', username: 'few', name: null, age: null, hobbies: [] },
      { email: 'last@example.com', username: null, name: null, age: null, hobbies: [] },
    ]);
    expect(await rejectionsOf(job)).toEqual([
      '2 email NOT_AN_EMAIL',
      '4 email EMAIL_TAKEN',
      '5 username USERNAME_TAKEN',
      '6  NAMELESS',
      '8  MALFORMED',
      '10  COLUMN_COUNT',
      '11 username TOO_LONG',
      '11 name TOO_LONG',
      '11 age NOT_AN_AGE',
      '11 hobbies TOO_LONG',
      '12 email EMAIL_TAKEN',
      '13  RECORD_TOO_LONG',
      '14 name NOT_ONE_LINE',
    ]);
    const [row] = await server.sql(`SELECT role, version, deleted_at, uuid::text FROM users WHERE username = 'zoe'`);
    expect(row).toEqual({ role: 'USER', version: 1, deleted_at: null, uuid: expect.stringMatching(/^.{14}7/) });
  });

  it('from Excel in a Western European encoding is accepted with that encoding; without it, the job names the option', async () => {
    const content = Buffer.from(
      'sep=;\r\nE-Mail;Name;Age;\r\nzoe@example.com;Zo\xeb M\xfcller;30;\r\n;;;\r\n',
      'latin1',
    );
    const refused = await importOf(content);
    expect(refused).toMatchObject({ status: 'FAILED', error: { code: UserErrors.IMPORT_NOT_UTF8.code } });
    expect(refused.error?.message).toContain('"encoding": "windows-1252"');
    const job = await importOf(content, { encoding: 'windows-1252' });
    expect(job.result).toEqual({ rows: 1, added: 1, rejected: 0, fileId: null });
    expect(await imported()).toMatchObject([{ email: 'zoe@example.com', name: 'Zoë Müller', age: 30 }]);
  });

  it('from Excel as Unicode text, declared as a spreadsheet, is accepted', async () => {
    const content = Buffer.from('\ufeffemail\tname\r\nzoe@example.com\tZoë\r\n', 'utf16le');
    const fileId = await uploadFile(root, content, 'application/vnd.ms-excel');
    const job = await runJob(root, 'users.import', { fileId });
    expect(job.result).toEqual({ rows: 1, added: 1, rejected: 0, fileId: null });
    expect(await imported()).toMatchObject([{ email: 'zoe@example.com', name: 'Zoë' }]);
  });

  it('that is imported twice adds no user twice', async () => {
    const fileId = await uploadFile(root, asFile(people(1_200)));
    const first = await runJob(root, 'users.import', { fileId });
    expect(first.result).toEqual({ rows: 1_200, added: 1_200, rejected: 0, fileId: null });
    const files = await countFiles();
    const again = await runJob(root, 'users.import', { fileId });
    expect(again.result).toEqual({ rows: 1_200, added: 0, rejected: 1_200, fileId: expect.any(String) });
    expect((await rejectionsOf(again)).slice(0, 2)).toEqual(['1 email EMAIL_TAKEN', '2 email EMAIL_TAKEN']);
    expect([await countImported(), await countFiles()]).toEqual([1_200, files + 1]);
  });

  it('may contain only a header', async () => {
    expect((await importOf('email;name\r\n')).result).toEqual({ rows: 0, added: 0, rejected: 0, fileId: null });
  });

  it('of 20,000 rows is imported completely', async () => {
    const rows = people(20_000);
    for (let row = 0; row < rows.length; row += 10) rows[row] = `no address,,,${row},`;
    const job = await importOf(asFile(rows));
    expect(job.result).toMatchObject({ rows: 20_000, added: 18_000, rejected: 2_000 });
    expect((await rejectionsOf(job)).filter((line) => line.endsWith(' email NOT_AN_EMAIL')).length).toBe(2_000);
    const uuids = await server.sql<{ n: number }>(
      'SELECT count(DISTINCT uuid)::integer AS n FROM users WHERE age IS NOT NULL',
    );
    const [table] = await server.sql<{ rows: number }>(
      `SELECT reltuples AS rows FROM pg_class WHERE oid = 'users'::regclass`,
    );
    expect(table?.rows).toBeGreaterThan(18_000); // the planner knows the new rows
    expect([await countImported(), uuids]).toEqual([18_000, [{ n: 18_000 }]]);
  });
});

describe('an import is refused as a whole, at the first attempt, and adds no user:', () => {
  const noise = Uint8Array.from({ length: 5_000 }, (_, index) => (index * 7_919) % 256);
  it.each<[string, string | Uint8Array<ArrayBuffer>, string]>([
    ['binary data', noise, UserErrors.IMPORT_NOT_UTF8.code],
    [
      'another encoding far into the file',
      Buffer.from(`${asFile(people(3_000))}é@example.com\r\n`, 'latin1'),
      UserErrors.IMPORT_NOT_UTF8.code,
    ],
    ['an empty file', '', UserErrors.IMPORT_HEADER.code],
    ['an unknown column', 'email,password\r\na@example.com,secret\r\n', UserErrors.IMPORT_HEADER.code],
    ['too many rows', `email\n${'a@example.com\n'.repeat(100_001)}`, UserErrors.IMPORT_TOO_LONG.code],
  ])('%s', async (_what, content, code) => {
    const files = await countFiles();
    const job = await importOf(content);
    expect(job).toMatchObject({ status: 'FAILED', attempts: 1, result: null, error: { code } });
    expect(job.error?.message).toContain('No user was added');
    expect([await countImported(), await countFiles()]).toEqual([0, files + 1]);
  });

  it('the file of another user, and one that does not exist', async () => {
    const other = await server.makeAdmin('Eve');
    for (const fileId of [await uploadFile(other, MIXED), '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11'])
      expect(await runJob(root, 'users.import', { fileId })).toMatchObject({
        status: 'FAILED',
        attempts: 1,
        error: { code: 'FILE_NOT_FOUND' },
      });
    expect(await countImported()).toBe(0);
  });

  it('a request without a file, or by a caller that is no administrator', async () => {
    const asked = (person: Person, payload: object) => person.api.post('/api/jobs', { type: 'users.import', payload });
    for (const payload of [
      {},
      { fileId: 'x' },
      { fileId: 1 },
      { fileId: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11', encoding: 'utf-7' },
      { fileId: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11', encoding: null },
      { fileId: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11', more: 1 },
    ])
      expect(await asked(root, payload)).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
    const bob = await server.registerUser('Bob');
    expect(await asked(bob, { fileId: await uploadFile(bob, MIXED) })).toMatchObject({
      status: 403,
      body: { code: 'FORBIDDEN' },
    });
  });
});

/** Replaces the n-th batch with `what`, which receives the real operation. */
function disturb(nth: number, what: (add: () => Promise<unknown>, batch: number) => Promise<unknown>): void {
  const addAll = bulk.addAll.bind(bulk);
  let batch = 0;
  jest.spyOn(bulk, 'addAll').mockImplementation(async (users: readonly ImportedUser[]) => {
    const add = (): ReturnType<typeof addAll> => addAll(users);
    return (++batch === nth ? await what(add, batch) : await add()) as Awaited<ReturnType<typeof addAll>>;
  });
}

/** Private members of ThreadPools. */
interface Pools {
  pools: Map<string, { piscina: { threads: Worker[] } }>;
}

describe('each user is added exactly once', () => {
  const rows = people(5 * BATCH);
  rows[7] = 'no address,,,,';
  rows[3 * BATCH + 7] = rows[3] ?? '';
  const expectAll = async (job: Job, attempts: number): Promise<void> => {
    expect(job).toMatchObject({ status: 'SUCCEEDED', attempts });
    expect(job.result).toMatchObject({ rows: 5 * BATCH, added: 5 * BATCH - 2, rejected: 2 });
    expect(await rejectionsOf(job)).toEqual(['8 email NOT_AN_EMAIL', `${3 * BATCH + 8} email EMAIL_TAKEN`]);
    expect(await countImported()).toBe(5 * BATCH - 2);
  };

  it('when an attempt fails after a batch that was committed', async () => {
    disturb(4, async (add) => {
      await add();
      throw new Error('the connection is gone');
    });
    await expectAll(await importOf(asFile(rows)), 2);
  });

  it('when the thread dies in the middle', async () => {
    disturb(3, async (add) => {
      const { pools } = server.app.get<ThreadPools, Pools>(ThreadPools);
      await Promise.all(pools.get('data')?.piscina.threads.map((thread) => thread.terminate()) ?? []);
      return add();
    });
    await expectAll(await importOf(asFile(rows)), 2);
  });

  it('when an attempt that was given up continues beside its successor', async () => {
    let zombie: Promise<unknown> = Promise.resolve();
    disturb(2, (add) => {
      zombie = add();
      return add();
    });
    await expectAll(await importOf(asFile(rows)), 1);
    await zombie;
    expect(await countImported()).toBe(5 * BATCH - 2);
  });

  it('when two files contain the same people in a different order at the same time', async () => {
    const contents = [asFile(people(4 * BATCH)), asFile(people(4 * BATCH).reverse())];
    const jobs = await Promise.all(contents.map((content) => importOf(content)));
    const results = jobs.map(({ result }) => result as { added: number; rejected: number });
    expect(jobs.map(({ status, attempts }) => [status, attempts])).toEqual([
      ['SUCCEEDED', 1],
      ['SUCCEEDED', 1],
    ]);
    expect(results.reduce((sum, { added }) => sum + added, 0)).toBe(4 * BATCH);
    expect(results.reduce((sum, { rejected }) => sum + rejected, 0)).toBe(4 * BATCH);
    expect(await countImported()).toBe(4 * BATCH);
  });
});

describe('a running import that is cancelled', () => {
  const rows = people(10 * BATCH);
  rows[0] = 'no address,,,,'; // a rejected row, for which a file would be created
  const bytesUnderWay = async (): Promise<string[]> => readdir(join(dataDir, 'files', 'incoming'));

  it('stops soon, keeps the users it has added, and leaves no file', async () => {
    const id: { job?: string } = {};
    disturb(3, async (add) => {
      expect((await root.api.delete(`/api/jobs/${id.job}`)).status).toBe(204);
      return add();
    });
    const fileId = await uploadFile(root, asFile(rows));
    const files = await countFiles();
    id.job = await requestJob(root, 'users.import', { fileId });
    expect(await finishedJob(root, id.job)).toMatchObject({ status: 'CANCELLED', result: null });
    await until(async () => (await bytesUnderWay()).length === 0, 'the file to be dropped');
    const added = await countImported();
    expect([2 * BATCH - 1, 3 * BATCH - 1]).toContain(added);
    expect((await runJob(root, 'users.statistics')).status).toBe('SUCCEEDED'); // the thread is free
    expect([await countImported(), await countFiles()]).toEqual([added, files]);
  });

  it('stops in PostgreSQL too', async () => {
    const client = new pg.Client({ connectionString: server.databaseUrl });
    await client.connect();
    const waiting = async (): Promise<boolean> =>
      (
        await server.sql(
          `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO users%' AND query NOT LIKE '%pg_stat_activity%'`,
        )
      ).length > 0;
    try {
      const fileId = await uploadFile(root, asFile(rows));
      await client.query('BEGIN; LOCK TABLE users IN SHARE MODE');
      const id = await requestJob(root, 'users.import', { fileId });
      await until(waiting, 'a batch to wait');
      await root.api.delete(`/api/jobs/${id}`);
      await until(async () => !(await waiting()), 'the batch to be given up', 4_000);
    } finally {
      await client.end();
    }
    expect(await countImported()).toBe(0);
  });
});
