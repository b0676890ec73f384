// Checks resumable uploads with tus-js-client while servers are killed and restarted, and with two servers side by side.
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import * as tusClient from 'tus-js-client';
import type { Api, Page, Tokens } from '../support/http/api.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { sha256, type StoredFile } from '../support/files/file-server.js';
import { DataDir, killAll, ServerProcess } from '../support/server/server-process.js';
import { Tus } from '../support/http/tus.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

/** The library exports this on Node.js; its type declarations lack it. */
const { FileUrlStorage } = tusClient as unknown as { FileUrlStorage: new (path: string) => tusClient.UrlStorage };

const MIB = 1_048_576;
const ADA = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };

const dataDir = new DataDir();
let folder: string;
let database: ClonedDatabase;
let client: pg.Client;
let ports: [number, number];
let ada: Api;

/** Returns a port that is free now, and that a restarted server can use again. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function start(place: 0 | 1 = 0): Promise<ServerProcess> {
  const env = { DATABASE_URL: database.url, PORT: String(ports[place]), RATE_LIMIT_MODE: 'off', LOG_FORMAT: 'json' };
  const server = new ServerProcess(dataDir, env);
  await server.ready();
  return server;
}

async function kill(server: ServerProcess): Promise<void> {
  server.signal('SIGKILL');
  await server.ended;
}

async function one<Row extends pg.QueryResultRow>(sql: string): Promise<Row> {
  return (await client.query<Row>(sql)).rows[0] as Row;
}

const files = async (): Promise<StoredFile[]> => (await ada.get<Page<StoredFile>>('/api/files')).body.items;

async function contentOf(id: string): Promise<Buffer> {
  const headers = { authorization: `Bearer ${ada.token}` };
  return Buffer.from(await (await fetch(`${ada.url}/api/files/${id}/content`, { headers })).arrayBuffer());
}

/** Checks that every stored byte has a row, and that the charged quota is right. */
async function expectOrder(): Promise<void> {
  const entries = await readdir(join(dataDir.path, 'files'), { recursive: true, withFileTypes: true });
  const keys = entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
  const { rows: unknown } = await client.query(
    `SELECT key FROM unnest($1::uuid[]) key WHERE key NOT IN (
       SELECT storage_key FROM blobs UNION SELECT storage_key FROM storage_leases UNION SELECT storage_key FROM upload_segments)`,
    [keys],
  );
  expect(unknown).toEqual([]);
  const { used, needed } = await one(`
    SELECT (SELECT bytes FROM storage_usages WHERE bucket = '') AS used,
      (SELECT coalesce(sum(size), 0) FROM files WHERE deleted_at IS NULL) +
      (SELECT coalesce(sum(reserved_bytes), 0) FROM storage_leases WHERE owner_id IS NOT NULL) AS needed`);
  expect(used).toBe(needed);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tus-'));
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  ports = [await freePort(), await freePort()];
  const server = new ServerProcess(dataDir, { DATABASE_URL: database.url, PORT: String(ports[0]) });
  const api = await server.ready();
  const { status, body } = await api.post<Tokens>('/api/auth/register', ADA);
  expect(status).toBe(201);
  ada = api.as(body.accessToken);
  await server.stop();
});
afterEach(killAll);
afterAll(async () => {
  await killAll();
  await client.end();
  await database.drop();
  await rm(folder, { recursive: true, force: true });
  dataDir.remove();
});

/** A tus client as a program uses it: it reads its file again for each run, and stores its state in a file. */
class Client {
  /** Acknowledged bytes after each response. */
  readonly acknowledged: number[] = [];
  sent = 0;
  fileId: string | undefined;
  failure: Error | undefined;
  private upload: tusClient.Upload | undefined;
  private readonly memory = new FileUrlStorage(join(folder, 'uploads.json'));

  constructor(private readonly path: string) {}

  /** Starts or resumes the upload of this file. Returns true when it resumes. */
  async go(chunkSize: number): Promise<boolean> {
    const upload = (this.upload = new tusClient.Upload(createReadStream(this.path), {
      endpoint: `${ada.url}/api/uploads`,
      headers: { authorization: `Bearer ${ada.token}` },
      metadata: { filename: 'recording.bin', filetype: 'application/octet-stream' },
      chunkSize,
      retryDelays: [0, 500, 1_000, 2_000, 3_000, 5_000, 5_000],
      urlStorage: this.memory,
      storeFingerprintForResuming: true,
      removeFingerprintOnSuccess: true,
      onProgress: (sent) => void (this.sent = sent),
      onChunkComplete: (_size, accepted) => void this.acknowledged.push(accepted),
      onError: (error) => void (this.failure = error),
      onSuccess: ({ lastResponse }) => void (this.fileId = lastResponse.getHeader('X-File-Id')),
    }));
    const [previous] = await upload.findPreviousUploads();
    if (previous) upload.resumeFromPreviousUpload(previous);
    upload.start();
    return previous !== undefined;
  }

  pause(): Promise<void> {
    return (this.upload as tusClient.Upload).abort();
  }

  async reaches(bytes: number): Promise<void> {
    await until(() => this.sent >= bytes || this.failure, `${bytes} bytes to be sent`, 60_000);
    if (this.failure) throw this.failure;
  }

  async ends(): Promise<string> {
    await until(() => this.fileId ?? this.failure, 'the upload to end', 60_000);
    if (this.failure) throw this.failure;
    return this.fileId as string;
  }
}

it('an upload of 30 MiB completes despite interruptions by the client and SIGKILLs of the server', async () => {
  const bytes = randomBytes(30 * MIB);
  const path = join(folder, 'recording');
  await writeFile(path, bytes);
  let server = await start();

  const first = new Client(path);
  expect(await first.go(3 * MIB)).toBe(false);
  await first.reaches(8 * MIB);
  await first.pause();
  const { received } = await one<{ received: string }>('SELECT received FROM uploads');
  expect(Number(received)).toBeGreaterThanOrEqual(first.acknowledged.at(-1) as number);

  const second = new Client(path); // as after a restart of the program
  expect(await second.go(5 * MIB)).toBe(true);
  for (const goal of [13 * MIB, 21 * MIB]) {
    await second.reaches(goal);
    await kill(server);
    const known = await one<{ received: string }>('SELECT received FROM uploads');
    expect(Number(known.received)).toBeGreaterThanOrEqual(second.acknowledged.at(-1) ?? 0);
    server = await start();
  }
  const id = await second.ends();

  expect(second.acknowledged[0]).toBeGreaterThan(3 * MIB); // it resumed instead of starting again
  expect(await files()).toMatchObject([{ id, name: 'recording.bin', size: 30 * MIB, sha256: sha256(bytes) }]);
  expect(sha256(await contentOf(id))).toBe(sha256(bytes));
  const { uploads, segments } = await one(
    'SELECT (SELECT count(*)::int FROM uploads) AS uploads, (SELECT count(*)::int FROM upload_segments) AS segments',
  );
  expect([uploads, segments]).toEqual([1, 0]);
  await expectOrder();
  await server.stop();
  expect(server.complaints).toEqual([]);
});

it('a server that dies between the last byte and the file leaves the rest to the next one, unnoticed by the client', async () => {
  const bytes = randomBytes(9 * MIB);
  const path = join(folder, 'second');
  await writeFile(path, bytes);
  const before = Number((await one<{ n: string }>('SELECT count(*) AS n FROM files')).n);
  await client.query(`
    CREATE FUNCTION linger() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(20); RETURN NEW; END';
    CREATE TRIGGER linger BEFORE INSERT ON files FOR EACH ROW EXECUTE FUNCTION linger()`);
  const dying = await start();
  const uploading = new Client(path);
  await uploading.go(Infinity);
  const lingers = `SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`;
  await until(async () => (await client.query(lingers)).rowCount === 1, 'the file to be about to be');
  await kill(dying);
  await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()`);
  await client.query('DROP FUNCTION linger CASCADE');
  expect(await one(`SELECT received = size AS complete, file_uuid FROM uploads WHERE size = ${bytes.length}`)).toEqual({
    complete: true,
    file_uuid: null,
  });
  const server = await start();
  const id = await uploading.ends();
  expect(sha256(await contentOf(id))).toBe(sha256(bytes));
  expect(Number((await one<{ n: string }>('SELECT count(*) AS n FROM files')).n)).toBe(before + 1);
  await expectOrder();
  await server.stop();
}); // prettier-ignore

it('a server that stops ends running uploads with their offset, without waiting for the last byte', async () => {
  const server = await start();
  const tus = new Tus(ada);
  const path = await tus.begin(1_000);
  const patch = tus.open(path, 0, 1_000).send(Buffer.alloc(600));
  await until(async () => (await client.query('SELECT FROM upload_locks')).rowCount === 1, 'the lock to be held');
  const keepAlive = setInterval(() => patch.send(Buffer.alloc(1)), 500);
  const began = performance.now();
  expect(await server.stop()).toBe(0);
  clearInterval(keepAlive);
  expect(performance.now() - began).toBeLessThan(5_000);
  expect(patch.received).toMatch(/^HTTP\/1\.1 204 [\s\S]*upload-offset: 60\d/);
  expect(server.complaints).toEqual([]);
});

describe('with two servers', () => {
  let here: Tus;
  let there: Tus;
  let servers: [ServerProcess, ServerProcess];
  beforeEach(async () => {
    servers = await Promise.all([start(0), start(1)]);
    const other = Object.assign(Object.create(ada) as Api, { url: ada.url.replace(/\d+$/, String(ports[1])) });
    here = new Tus(ada);
    there = new Tus(other);
  });

  it('a request to one ends the running request on the other, and continues from its offset', async () => {
    const bytes = randomBytes(1_000);
    const path = await here.begin(1_000);
    const older = here.open(path, 0, 1_000).send(bytes.subarray(0, 600));
    await until(async () => (await client.query('SELECT FROM upload_locks')).rowCount === 1, 'the lock to be held');
    const began = performance.now();
    expect(await there.offset(path)).toBe(600);
    expect(performance.now() - began).toBeLessThan(3_000); // shorter than the lease: the other request ended when asked
    await older.closed;
    expect(older.received).toMatch(/^HTTP\/1\.1 204 [\s\S]*upload-offset: 600/);
    const { headers } = await there.patch(path, 600, bytes.subarray(600));
    expect(await contentOf(headers.get('x-file-id') as string)).toEqual(bytes);
  });

  it('one of several requests for the same bytes is accepted, and one file is created', async () => {
    const bytes = randomBytes(4 * MIB);
    const path = await here.begin(bytes.length);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => (at % 2 ? here : there).patch(path, 0, bytes)),
    );
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([204, ...Array.from({ length: 7 }, () => 409)]);
    const ids = await Promise.all([here, there, here, there].map(async (at) => (await at.head(path)).headers.get('x-file-id')));
    expect(new Set(ids).size).toBe(1);
    expect(sha256(await contentOf(ids[0] as string))).toBe(sha256(bytes));
    await expectOrder();
  }); // prettier-ignore

  it('an upload continues on the other server when one dies, within the patience of a client', async () => {
    const bytes = randomBytes(6 * MIB);
    const path = await here.begin(bytes.length);
    here.open(path, 0, bytes.length).send(bytes.subarray(0, 5 * MIB));
    const received = `SELECT received::int FROM uploads WHERE id = '${path.split('/').at(-1)}'`;
    await until(async () => (await one<{ received: number }>(received)).received > 0, 'the first segment');
    await kill(servers[0]);
    const began = performance.now();
    const offset = await there.offset(path);
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(offset).toBe(4 * MIB);
    const { headers } = await there.patch(path, offset, bytes.subarray(offset));
    const file = await fetch(`http://127.0.0.1:${ports[1]}/api/files/${headers.get('x-file-id')}/content`, {
      headers: { authorization: `Bearer ${ada.token}` },
    });
    expect(sha256(Buffer.from(await file.arrayBuffer()))).toBe(sha256(bytes));
    await expectOrder();
  });
});
