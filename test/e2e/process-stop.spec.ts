// Checks how the built server stops: with requests in flight, with idle connections, during the start, twice, and by SIGKILL.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Api, Task, Tokens } from '../support/http/api.js';
import { DataDir, processEnd, killAll, ServerProcess } from '../support/server/server-process.js';
import { RepeatingClient } from '../support/http/repeating-client.js';
import { until } from '../support/time/until.js';

jest.setTimeout(300_000); // starting a server takes half a minute on a busy machine

const ADA = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };
const dataDir = new DataDir();
let token: string;
let task: Task;

const portOf = (api: Api): number => Number(new URL(api.url).port);

async function expectRefused(api: Api): Promise<void> {
  await expect(api.get('/health/live')).rejects.toThrow('fetch failed');
}

beforeAll(async () => {
  const server = new ServerProcess(dataDir, { SHUTDOWN_DELAY: '0' });
  const api = await server.ready();
  const { pid } = dataDir.postmaster;
  const { status, body } = await api.post<Tokens>('/api/auth/register', ADA);
  expect(status).toBe(201);
  token = body.accessToken;
  task = (await api.as(token).post<Task>('/api/tasks', { title: 'Kept' })).body;
  expect(await server.stop()).toBe(0);
  await processEnd(pid);
});
afterAll(async () => {
  await killAll();
  dataDir.remove();
});

describe('SIGTERM', () => {
  it('lets a running request finish, is not ready meanwhile, then refuses connections, and stops PostgreSQL', async () => {
    const server = new ServerProcess(dataDir, { SHUTDOWN_DELAY: '1000' });
    const api = await server.ready();
    const { pid } = dataDir.postmaster;
    const lock = await dataDir.connect();
    await lock.query('BEGIN');
    await lock.query('SELECT FROM tasks WHERE uuid = $1 FOR UPDATE', [task.id]);
    const change = api.as(token).patch<Task>(`/api/tasks/${task.id}`, { title: 'Changed in the last moment' });
    const waits = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'holdfast'`;
    await until(async () => {
      await lock.query('SELECT pg_stat_clear_snapshot()'); // without it, a transaction sees the same activity until its end
      return (await lock.query(waits)).rowCount === 1;
    }, 'the change to wait for the lock');
    server.signal('SIGTERM');
    await until(
      async () => (await api.get('/health/ready')).status === 503,
      'the server to report that it is not ready',
    );
    expect((await api.get('/health/live')).status).toBe(200);
    expect((await api.as(token).get('/api/profile')).status).toBe(200); // new requests are still served
    await lock.query('COMMIT');
    const { status, body } = await change;
    expect([status, body.title]).toEqual([200, 'Changed in the last moment']);
    await lock.end();
    expect(await server.ended).toBe(0);
    await expectRefused(api);
    await processEnd(pid);
    expect(server.complaints).toEqual([]);
    task = body;
  });

  it('waits for a body that is still arriving, while new connections are refused', async () => {
    const server = new ServerProcess(dataDir);
    const api = await server.ready();
    const body = '{"title":"Came late"}';
    const lines = [
      'POST /api/tasks HTTP/1.1',
      'Host: x',
      `Authorization: Bearer ${token}`,
      'Content-Type: application/json',
    ];
    const socket = connect(portOf(api), '127.0.0.1');
    socket.write([...lines, `Content-Length: ${body.length}`, 'Expect: 100-continue', '', ''].join('\r\n'));
    const received = new Promise<string>((resolve) => {
      let text = '';
      socket.on('data', (data) => (text += data.toString())).once('close', () => resolve(text));
    });
    await new Promise((resolve) => socket.once('data', resolve)); // 100 Continue: the request has begun
    server.signal('SIGTERM');
    await until(() => api.get('/health/live').then(() => false, () => true), 'new connections to be refused'); // prettier-ignore
    socket.write(body);
    expect(await received).toMatch(/HTTP\/1\.1 201 Created[^]*"Came late"/);
    expect(await server.ended).toBe(0);
  });

  it('is not delayed by idle keep-alive connections, or by connections without a request', async () => {
    const server = new ServerProcess(dataDir, { SHUTDOWN_GRACE: '600000' });
    const api = await server.ready();
    const sockets = Array.from({ length: 5 }, () => connect(portOf(api), '127.0.0.1').on('error', () => undefined));
    for (const socket of sockets.slice(0, 3)) {
      socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n');
      await new Promise((resolve) => socket.once('data', resolve));
    }
    const closed = sockets.map((socket) => new Promise((resolve) => socket.resume().once('close', resolve)));
    expect(await server.stop()).toBe(0);
    await Promise.all(closed);
  });

  it.each([0, 1_000])('with SHUTDOWN_DELAY=%i sends every response to 8 keep-alive clients, the last with Connection: close', async (delay) => {
    const server = new ServerProcess(dataDir, { SHUTDOWN_DELAY: String(delay) });
    const api = await server.ready();
    const clients = Array.from({ length: 8 }, () => new RepeatingClient(portOf(api)));
    await until(() => clients.every(({ answers }) => answers.length > 20), 'the clients to be under way');
    server.signal('SIGTERM');
    const ends = await Promise.all(clients.map(({ ended }) => ended));
    expect(ends).toEqual(ends.map(() => 'ECONNREFUSED')); // and never ECONNRESET
    const draining = clients.flatMap(({ answers }) => answers.filter(({ status }) => status === 503));
    expect(clients.map(({ answers }) => answers.at(-1)?.connection)).toEqual(clients.map(() => 'close'));
    expect(draining.filter(({ connection }) => connection !== 'close')).toEqual([]);
    expect(await server.ended).toBe(0);
  }); // prettier-ignore

  it('keeps an idle connection open during the delay, and closes it after its next response', async () => {
    const server = new ServerProcess(dataDir, { SHUTDOWN_DELAY: '2000' });
    const api = await server.ready();
    const socket = connect(portOf(api), '127.0.0.1');
    const ask = async () => {
      socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n');
      return String(((await once(socket, 'data')) as [Buffer])[0]);
    };
    expect(await ask()).toMatch(/\r\nConnection: keep-alive\r\n/i);
    server.signal('SIGTERM');
    await until(
      async () => (await api.get('/health/ready')).status === 503,
      'the server to report that it is not ready',
    );
    expect(await ask()).toMatch(/^HTTP\/1\.1 200 [^]*\r\nConnection: close\r\n/i);
    await once(socket.resume(), 'close');
    expect(await server.ended).toBe(0);
  });

  it('during the start ends it, and leaves no PostgreSQL process', async () => {
    const server = new ServerProcess(dataDir);
    await server.prints(/PostgreSQL .* started/);
    const { pid } = dataDir.postmaster;
    server.signal('SIGTERM');
    await server.ended;
    await processEnd(pid);
    expect(server.output).not.toMatch(/serves on/);
  });

  it('sent twice ends the server immediately, and PostgreSQL too', async () => {
    const server = new ServerProcess(dataDir, { SHUTDOWN_DELAY: '600000' });
    await server.ready();
    const { pid } = dataDir.postmaster;
    server.signal('SIGTERM');
    await server.prints(/SIGTERM: stopping/);
    expect(await server.stop()).toBe(1);
    await processEnd(pid);
  });
});

it('SIGKILL loses nothing: the next start has the data of every successful response', async () => {
  const killed = new ServerProcess(dataDir);
  const api = (await killed.ready()).as(token);
  const { body } = await api.post<Task>('/api/tasks', { title: 'Written in the last moment' });
  killed.signal('SIGKILL');
  expect(await killed.ended).toBe('SIGKILL');
  const server = new ServerProcess(dataDir);
  const again = (await server.ready()).as(token);
  expect((await again.get<Task>(`/api/tasks/${body.id}`)).body).toEqual(body);
  expect(await server.stop()).toBe(0);
});
