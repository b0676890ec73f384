// Checks the probes: /live reports that the process runs; /ready, whether it can take traffic, and if not, why.
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { createApp } from '../../src/app.setup.js';
import { MigrationStatus } from '../../src/shared/database/migration-status.js';
import { Lifecycle } from '../../src/shared/lifecycle/lifecycle.js';
import { createLogger } from '../../src/shared/logging/logger.js';
import { type Answer, Api, type Problem } from '../support/http/api.js';
import { testConfig } from '../support/config.js';
import { cloneDatabase, type ClonedDatabase } from '../support/engines/database.js';
import { startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type Health = Problem & { details: Record<string, { status: string } & Record<string, unknown>> };

/** Waits until ready returns 503, at the next database check. */
function untilUnready(api: Api): Promise<Answer<Health>> {
  return until(async () => {
    const answer = await api.get<Health>('/health/ready');
    return answer.status === 503 && answer;
  }, 'the server to be unready');
}

describe('a healthy server', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.close());

  it('returns 200 on live, ready and startup, never cached', async () => {
    for (const [path, body] of Object.entries({
      '/health/live': { status: 'ok' },
      '/health/ready': {
        status: 'ok',
        details: { process: { status: 'up' }, database: { status: 'up' }, migrations: { status: 'up' } },
      },
      '/health/startup': { status: 'ok', details: { database: { status: 'up' }, migrations: { status: 'up' } } },
    })) {
      const answer = await server.api.get(path);
      expect(answer).toMatchObject({ status: 200, body });
      expect(answer.headers.get('cache-control')).toBe('no-store');
      expect((await server.api.request('HEAD', path)).status).toBe(200);
    }
  });

  it('returns its versions and times on health, and its process on ping', async () => {
    expect((await server.api.get('/health')).body).toMatchObject({
      status: 'ok',
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      node: process.version,
      uptime: expect.any(Number),
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect((await server.api.get('/ping')).body).toMatchObject({ pid: process.pid, instance: expect.any(String) });
  });

  it('checks the database once for concurrent probes, and again for later ones', async () => {
    const probes: Array<Promise<Answer<unknown>>> = [];
    const looks = jest.spyOn(server.app.get(MigrationStatus), 'pending');
    let finish: (pending: string[]) => void = () => undefined;
    looks.mockImplementationOnce(() => new Promise((resolve) => (finish = resolve)));
    const probe = () => server.api.get('/health/ready');
    await until(() => {
      probes.push(probe());
      return looks.mock.calls.length > 0;
    }, 'a look to begin');
    for (let more = 0; more < 40; more++) probes.push(probe());
    const { inFlight } = server.app.getHttpAdapter().getInstance();
    await until(() => inFlight.size >= 40, 'the probes to wait');
    finish([]);
    expect(new Set((await Promise.all(probes)).map(({ status }) => status))).toEqual(new Set([200]));
    expect(looks).toHaveBeenCalledTimes(1);
    await until(async () => (await probe()) && looks.mock.calls.length > 1, 'another look');
    looks.mockRestore();
  });

  it('serves probes outside of /api and does not log them as requests', async () => {
    expect((await server.api.get('/api/health/live')).status).toBe(404);
    await server.api.get('/health/ready');
    await server.api.get('/problems');
    await until(() => server.log.some((line) => line.includes('/problems')), 'the line of the last request');
    expect(server.log.filter((line) => /health|ping/.test(line) && line.includes('"msg":"request"'))).toEqual([]);
  });

  it('returns 503 with the reason on ready while it starts or drains, and 200 on live and startup', async () => {
    const lifecycle = server.app.get(Lifecycle);
    lifecycle.drain();
    const ready = await server.api.get<Health>('/health/ready');
    expect(ready).toMatchObject({
      status: 503,
      body: { code: 'NOT_READY', details: { process: { status: 'down', state: 'draining' } } },
    });
    expect(ready.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(ready.headers.get('retry-after')).toBe('1');
    expect((await server.api.get('/health/live')).status).toBe(200);
    expect((await server.api.get('/health/startup')).status).toBe(200);
    expect((await server.api.get('/problems')).status).toBe(200); // requests are still served
    lifecycle.serve();
    expect((await server.api.get('/health/ready')).status).toBe(200);
  });
});

it('ready and startup return 503 and name the pending migrations, and 200 once these are applied', async () => {
  const server = await startServer();
  try {
    const [last] = await server.sql<{ id: number; timestamp: string; name: string }>(
      'SELECT * FROM migration ORDER BY timestamp DESC LIMIT 1',
    );
    await server.sql('DELETE FROM migration WHERE id = $1', last?.id);
    for (const path of ['/health/ready', '/health/startup', '/health']) {
      const { status, body } = await server.api.get<Health>(path);
      expect([status, body.code, body.details['migrations']?.status]).toEqual([503, 'NOT_READY', 'down']);
      expect(body.details['migrations']?.['pending']).toEqual([expect.stringContaining(String(last?.timestamp))]);
      expect(body.details['database']?.status).toBe('up');
    }
    expect((await server.api.get('/health/live')).status).toBe(200);
    await server.sql(
      'INSERT INTO migration (id, timestamp, name) VALUES ($1, $2, $3)',
      last?.id,
      last?.timestamp,
      last?.name,
    );
    await until(async () => (await server.api.get('/health/ready')).status === 200, 'the next look at the database');
  } finally {
    await server.close();
  }
});

describe('a server whose database goes away', () => {
  let database: ClonedDatabase;
  let proxy: Server;
  let api: Api;
  let close: () => Promise<void>;
  const sockets = new Set<Socket>();
  let cut = false;

  /** A TCP proxy between the server and PostgreSQL, which the test cuts. */
  beforeAll(async () => {
    database = await cloneDatabase();
    const real = new URL(database.url);
    proxy = createServer((socket) => {
      if (cut) return void socket.destroy();
      const onward = connect(Number(real.port), real.hostname);
      for (const [from, to] of [[socket, onward], [onward, socket]] as const) {
        sockets.add(from);
        from.pipe(to);
        from.on('error', () => undefined).on('close', () => to.destroy());
      } // prettier-ignore
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    const url = Object.assign(new URL(database.url), { port: String((proxy.address() as { port: number }).port) }).href;
    const config = testConfig(url);
    const app = await createApp(config, url, createLogger(config, { write: () => undefined }));
    await app.listen(0, '127.0.0.1');
    app.get(Lifecycle).serve();
    api = new Api(await app.getUrl());
    close = () => app.close();
  });
  afterAll(async () => {
    await close();
    proxy.close();
    await database.drop();
  });
  afterEach(() => {
    cut = false;
  });

  it('returns 503 with details on ready, 503 with Retry-After on requests, 200 on live, and recovers with the database', async () => {
    expect((await api.get('/health/ready')).status).toBe(200);
    cut = true;
    for (const socket of sockets) socket.destroy();
    const ready = await untilUnready(api);
    expect(ready.body).toMatchObject({ code: 'NOT_READY', details: { database: { status: 'down' } } });
    expect(JSON.stringify(ready.body)).not.toMatch(/throw-away|postgres:/); // no connection details
    await until(async () => (await api.get('/health/startup')).status === 503, 'startup to be refused');
    expect((await api.get('/health/live')).status).toBe(200);
    const login = await api.post('/api/auth/login', { email: 'ada@example.com', password: 'whatever' });
    expect(login).toMatchObject({ status: 503, body: { code: 'SERVICE_UNAVAILABLE' } });
    expect(login.headers.get('retry-after')).toBe('1');
    cut = false;
    await until(async () => (await api.get('/health/ready')).status === 200, 'the server to be ready again');
    expect((await api.post('/api/auth/login', { email: 'ada@example.com', password: 'whatever' })).status).toBe(401);
  });

  it('returns 503 when the database is dropped', async () => {
    await database.drop();
    database = await cloneDatabase(); // for afterAll to drop
    const { body } = await untilUnready(api);
    expect([body.code, body.details['database']?.status]).toEqual(['NOT_READY', 'down']);
    expect((await api.get('/health/live')).status).toBe(200);
    const login = await api.post('/api/auth/login', { email: 'ada@example.com', password: 'whatever' });
    expect([login.status, login.body.code]).toEqual([503, 'SERVICE_UNAVAILABLE']);
  });
});
