// Checks how the built server starts: first and repeated starts, on a busy port or folder, and with wrong settings.
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Page, Task, Tokens } from '../support/http/api.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { sendBytes } from '../support/http/raw-http.js';
import { DataDir, processEnd, killAll, ServerProcess } from '../support/server/server-process.js';

jest.setTimeout(300_000); // starting a server takes half a minute on a busy machine

const ADA = { email: 'ada@example.com', password: 'correct horse battery staple' };
const dataDir = new DataDir();
let token: string;
let task: Task;

afterAll(async () => {
  await killAll();
  dataDir.remove();
});

it('the first start prepares everything and prints how to log in (the tests below use its data)', async () => {
  const server = new ServerProcess(dataDir, { NODE_ENV: 'development' });
  const api = await server.ready();
  const { pid } = dataDir.postmaster;
  // The tutorials register these addresses, so no demo account may have taken them.
  for (const email of ['user@example.com', 'admin@example.com'])
    expect(
      (await api.post('/api/auth/register', { email, password: 'securepassword', name: 'User Name' })).status,
    ).toBe(201);
  const { status, body } = await api.post<Tokens>('/api/auth/register', { ...ADA, name: 'Ada' });
  expect(status).toBe(201);
  token = body.accessToken;
  task = (await api.as(token).post<Task>('/api/tasks', { title: 'Kept' })).body;
  await server.prints(/Swagger UI: .*\/docs/);
  const [, email = '', password = ''] = /ADMIN {2}(\S+) {2}(\S+)/.exec(server.output) ?? [];
  expect((await api.post<Tokens>('/api/auth/login', { email, password })).body.user?.role).toBe('ADMIN');
  expect(await server.stop()).toBe(0);
  await processEnd(pid);
});

it('a second start keeps the data and the secrets of the first', async () => {
  const server = new ServerProcess(dataDir, { NODE_ENV: 'development' });
  const api = await server.ready();
  expect((await api.get('/health/ready')).status).toBe(200);
  expect((await api.as(token).get<Page<Task>>('/api/tasks')).body.items).toEqual([task]);
  expect((await api.post('/api/auth/login', ADA)).status).toBe(200);
  expect(server.output).not.toMatch(/demo-admin@holdfast\.example {2}\S+/); // passwords are shown once
  expect(await server.stop()).toBe(0);
  expect(server.complaints).toEqual([]);
});

describe('a start that cannot succeed', () => {
  it('on a busy port ends with one line that names the reason, and stops its PostgreSQL', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const server = new ServerProcess(dataDir, { PORT: String(port) });
    await server.prints(/PostgreSQL .* started/);
    const { pid } = dataDir.postmaster;
    expect(await server.ended).toBe(1);
    other.close();
    expect(server.complaints).toEqual([
      expect.stringMatching(`Port ${port} is in use by another program.*PORT=${port + 1}`),
    ]);
    await processEnd(pid);
  });

  it('on a DATA_DIR in use ends with one line that names the reason, and does not affect the running server', async () => {
    const first = new ServerProcess(dataDir);
    const api = await first.ready();
    const { pid } = dataDir.postmaster;
    const second = new ServerProcess(dataDir);
    expect(await second.ended).toBe(1);
    expect(second.complaints).toEqual([
      expect.stringContaining(`DATA_DIR ${dataDir.path} is in use by another Holdfast process`),
    ]);
    expect((await api.as(token).get('/api/tasks')).status).toBe(200);
    expect(dataDir.postmaster.pid).toBe(pid);
    expect(await first.stop()).toBe(0);
  });

  it('with wrong settings prints one line for each fault, without the secret, and changes nothing', async () => {
    const untouched = new DataDir();
    const wrong = {
      PORT: 'http',
      LOG_LEVEL: 'loud',
      JWT_SECRET: 'hunter2',
      DATABASE_URL: 'mysql://u:hunter2@h/d',
      REFRESH_GRACE: '-1',
    };
    const server = new ServerProcess(untouched, wrong);
    expect(await server.ended).toBe(1);
    const [title, ...faults] = server.output.trim().split('\n');
    expect(title).toBe('The configuration has 5 faults:');
    expect(faults.map((line) => /^ {2}- (\w+) /.exec(line)?.[1]).sort()).toEqual(Object.keys(wrong).sort());
    expect(server.output).not.toContain('hunter2');
    expect(existsSync(untouched.path)).toBe(false);
    untouched.remove();
  });

  it('in production without secrets and a database lists what is missing', async () => {
    const untouched = new DataDir();
    const server = new ServerProcess(untouched, { NODE_ENV: 'production' });
    expect(await server.ended).toBe(1);
    for (const name of ['JWT_SECRET', 'SESSION_SECRET', 'COOKIE_SECRET', 'DATABASE_URL or DATABASE_HOST'])
      expect(server.output).toMatch(new RegExp(`^ {2}- ${name} .*required`, 'm'));
    untouched.remove();
  });

  it('with an unreachable database ends with a line about it', async () => {
    const untouched = new DataDir();
    const secret = 'a secret of more than 32 characters';
    const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
    const server = new ServerProcess(untouched, { ...secrets, DATABASE_URL: 'postgres://u:hunter2@127.0.0.1:1/none' });
    expect(await server.ended).toBe(1);
    expect(server.complaints).toEqual([
      expect.stringMatching(/No PostgreSQL listens on 127\.0\.0\.1:1 \(ECONNREFUSED\): /),
    ]);
    expect(server.output).not.toContain('hunter2');
    untouched.remove();
  });
});

describe('demo accounts in an external database', () => {
  let database: ClonedDatabase;
  const place = new DataDir();
  beforeAll(async () => void (database = await cloneDatabase()));
  afterAll(async () => {
    await database.drop();
    place.remove();
  });
  const usersAfterStart = async (env: Record<string, string>): Promise<[number, string]> => {
    const server = new ServerProcess(place, { DATABASE_URL: database.url, ...env });
    await server.ready();
    expect(await server.stop()).toBe(0);
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const { rows } = await client.query<{ n: number }>('SELECT count(*)::integer AS n FROM users');
    await client.end();
    return [rows[0]?.n ?? NaN, server.output];
  };

  it('are not created without NODE_ENV, and the log states how to create them', async () => {
    const [users, output] = await usersAfterStart({ NODE_ENV: '' });
    expect(users).toBe(0);
    expect(output).toMatch(/No demo accounts: .* NODE_ENV=development makes them; npm run user:create-admin /);
    expect(output).not.toMatch(/Demo accounts(:|, shown)/);
  });

  it('are created with NODE_ENV=development', async () => {
    const [users, output] = await usersAfterStart({ NODE_ENV: 'development' });
    expect(users).toBe(2);
    expect(output).toContain('Demo accounts, shown this once');
  });
});

it('production runs no migrations at the start: the server is live and not ready', async () => {
  const fresh = new DataDir();
  const secret = () => randomBytes(32).toString('base64');
  const secrets = { JWT_SECRET: secret(), SESSION_SECRET: secret(), COOKIE_SECRET: secret() };
  const env = { NODE_ENV: 'production', EMBEDDED: 'true', HOST: '127.0.0.1', SHUTDOWN_DELAY: '0', ...secrets };
  const server = new ServerProcess(fresh, { ...env, RATE_LIMIT_MODE: 'off' });
  const api = await server.ready();
  expect((await api.get('/health/live')).status).toBe(200);
  expect(await api.get('/health/ready')).toMatchObject({
    status: 503,
    body: { code: 'NOT_READY', details: { migrations: { status: 'down' } } },
  });
  const answer = await sendBytes(
    Number(new URL(api.url).port),
    'POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"email":"a@example.com","password":"x"}',
  );
  expect([answer?.status, answer?.headers['retry-after']]).toEqual([503, '1']);
  for (const line of server.output.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('level');
  expect(server.output.match(/RATE_LIMIT_MODE=off: nothing limits requests/g)).toHaveLength(1);
  expect(await server.stop()).toBe(0);
  fresh.remove();
});
