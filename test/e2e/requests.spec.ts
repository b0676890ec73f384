// Checks cancelled requests: by their caller, by a client that closes the connection, and by the deadline.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import { pino } from 'pino';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { servingOptions } from '../../src/shared/database/database.options.js';
import { PipelinedConnections } from '../../src/shared/database/pipelined-connections.js';
import { sqlStateOf } from '../../src/shared/database/sql-state.js';
import { Transaction } from '../../src/shared/database/transaction.js';
import { requestContext, RunningRequest } from '../../src/shared/logging/request-context.js';
import { type Answer, type Api, type Problem, type Task, type Tokens } from '../support/http/api.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { sendBytes } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { DataDir, killAll, ServerProcess } from '../support/server/server-process.js';
import { until } from '../support/time/until.js';

jest.setTimeout(300_000); // starting a server takes half a minute on a busy machine

const STUCK = `datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE '%UPDATE tasks AS row%'`;

/** Locks a row, so that every change to it waits in PostgreSQL. */
class Holder {
  /** A transaction always sees the same waiters, so `watch` is a connection outside of it. */
  private constructor(
    private readonly client: pg.Client,
    private readonly watch: pg.Client,
  ) {}

  static async of(url: string, taskId: string): Promise<Holder> {
    const [client, watch] = [new pg.Client({ connectionString: url }), new pg.Client({ connectionString: url })];
    await Promise.all([client.connect(), watch.connect()]);
    await client.query('BEGIN');
    await client.query('SELECT FROM tasks WHERE uuid = $1 FOR UPDATE', [taskId]);
    return new Holder(client, watch);
  }

  /** Returns the number of statements that wait for the row. */
  async waiters(): Promise<number> {
    return (await this.watch.query(`SELECT FROM pg_stat_activity WHERE ${STUCK}`)).rowCount ?? 0;
  }

  async letGo(): Promise<void> {
    await Promise.all([this.client.end(), this.watch.end()]);
  }
}

const withId = (id: string) => ({ headers: { 'x-request-id': id } });

/** Fails when the response takes over 1.5 s; the lock alone would take twice as long. */
async function soon<T>(answer: Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await answer;
  expect(performance.now() - began).toBeLessThan(1_500);
  return result;
}

describe('cancelling a request', () => {
  let server: TestServer;
  let ada: Person;
  let task: Task;
  let holder: Holder;
  let logged: number;
  beforeAll(async () => {
    server = await startServer({ DATABASE_POOL_SIZE: '2' });
    ada = await server.registerUser();
  });
  afterAll(() => server.close());
  beforeEach(async () => {
    task = (await ada.api.post<Task>('/api/tasks', { title: 'Held' })).body;
    holder = await Holder.of(server.databaseUrl, task.id);
    logged = server.log.length;
  });
  afterEach(async () => {
    await holder.letGo();
    await until(() => inFlight(server.app).size === 0, 'nothing to be in flight');
    expect(server.log.slice(logged).filter((line) => /"level":"(warn|error|fatal)"/.test(line))).toEqual([]);
  });

  const inFlight = (app: NestFastifyApplication) => app.getHttpAdapter().getInstance().inFlight;
  const change = (id: string, api = ada.api): Promise<Answer<Problem>> =>
    api.patch(`/api/tasks/${task.id}`, { title: 'Mine' }, withId(id));
  const isStuck = () => until(async () => (await holder.waiters()) > 0, 'the statement to wait');
  const isFree = () => until(async () => (await holder.waiters()) === 0, 'the statement to be over', 1_000);

  it('that waits in PostgreSQL returns 499 immediately, stops its statement, and frees its connection', async () => {
    const id = randomUUID();
    const answer = change(id);
    await isStuck();
    expect(await soon(ada.api.delete(`/api/requests/${id}`))).toMatchObject({ status: 204, body: undefined });
    const { status, headers, body } = await soon(answer);
    expect(status).toBe(499);
    expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    expect(headers.get('x-request-id')).toBe(id);
    expect(body).toMatchObject({ title: 'Client Closed Request', code: 'REQUEST_CANCELLED', requestId: id });
    await isFree();
    for (let round = 0; round < 5; round++) expect((await ada.api.get('/api/tasks?q=x')).status).toBe(200);
    await holder.letGo();
    expect((await ada.api.get<Task>(`/api/tasks/${task.id}`)).body.title).toBe('Held');
  });

  it('cancels all requests with the id, and frees their connections for the next requests', async () => {
    const answers = Array.from({ length: 6 }, () => change('same')); // two are stuck, four wait for a connection
    await until(async () => (await holder.waiters()) === 2 && inFlight(server.app).size === 6, 'both connections');
    expect((await soon(ada.api.delete('/api/requests/same'))).status).toBe(204);
    expect((await soon(Promise.all(answers))).map(({ status }) => status)).toEqual(Array(6).fill(499));
    await isFree();
    expect((await soon(ada.api.get('/api/tasks?q=x'))).status).toBe(200);
  });

  it('returns 404 for a request of another user, and for one that ended or never existed', async () => {
    const bob = await server.registerUser('Bob');
    const answer = change('mine-alone');
    await isStuck();
    const ids = ['mine-alone', 'never-came', task.id];
    for (const { status, body } of await Promise.all(ids.map((id) => bob.api.delete(`/api/requests/${id}`))))
      expect([status, body.code]).toEqual([404, 'REQUEST_NOT_FOUND']);
    expect(await holder.waiters()).toBe(1);
    await holder.letGo();
    expect((await answer).status).toBe(200);
    expect((await ada.api.delete('/api/requests/mine-alone')).status).toBe(404);
  });

  it('never cancels the cancelling request itself, whatever its id is', async () => {
    expect((await ada.api.delete('/api/requests/x', withId('x'))).status).toBe(404);
    const answer = change('x');
    await isStuck();
    expect((await ada.api.delete('/api/requests/x', withId('x'))).status).toBe(204);
    expect((await answer).status).toBe(499);
  });

  it.each(['a b', 'ä', 'x'.repeat(65), '%00'])('with an invalid id is refused: %s', async (id) => {
    const { status, body } = await ada.api.delete(`/api/requests/${encodeURIComponent(id)}`);
    expect([status, body.code]).toEqual([400, 'VALIDATION_FAILED']);
  });

  it('does not stop a load that other requests share', async () => {
    await holder.letGo();
    const locker = new pg.Client({ connectionString: server.databaseUrl });
    await locker.connect();
    await locker.query('BEGIN; LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE');
    const list = (id: string) => ada.api.get('/api/tasks?q=shared', withId(id));
    const first = list('leaves');
    const isWaiting = `SELECT FROM pg_stat_activity WHERE ${STUCK.replace('UPDATE tasks AS row', 'SELECT row."id"')}`;
    await until(async () => (await server.sql(isWaiting)).length === 1, 'the load to wait');
    const second = list('stays');
    await until(() => inFlight(server.app).size === 2, 'who joins it');
    expect((await ada.api.delete('/api/requests/leaves')).status).toBe(204);
    expect((await first).status).toBe(499);
    await locker.end();
    expect((await second).status).toBe(200);
  });

  it('by closing the connection stops its statement', async () => {
    const body = JSON.stringify({ title: 'Mine' });
    const socket = connect(server.port, '127.0.0.1');
    socket.write(
      `PATCH /api/tasks/${task.id} HTTP/1.1\r\nHost: x\r\nX-Request-Id: gone\r\nAuthorization: Bearer ${ada.accessToken}\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
    );
    await isStuck();
    socket.destroy();
    await isFree();
    expect((await ada.api.get('/api/tasks?q=x')).status).toBe(200);
    await until(
      () => server.log.find((line) => line.includes('"gone"') && line.includes('"status":499')),
      'its line in the log',
    );
  });

  it('does not affect the next request on the same connection', async () => {
    const answer = change('first');
    await isStuck();
    await ada.api.delete('/api/requests/first');
    expect((await answer).status).toBe(499);
    const { status } = (await sendBytes(
      server.port,
      `GET /api/profile HTTP/1.1\r\nHost: x\r\nX-Request-Id: first\r\nAuthorization: Bearer ${ada.accessToken}\r\nConnection: close\r\n\r\n`,
    )) as { status: number };
    expect(status).toBe(200);
  });
});

describe('with REQUEST_TIMEOUT of a second', () => {
  let server: TestServer;
  beforeAll(async () => void (server = await startServer({ REQUEST_TIMEOUT: '1000' })));
  afterAll(() => server.close());

  it('a request that takes longer returns 503, and its statement is stopped', async () => {
    const ada = await server.registerUser();
    await server.sql(
      `CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(4.5); RETURN NEW; END'`,
    );
    await server.sql('CREATE TRIGGER slow BEFORE INSERT ON tasks FOR EACH ROW EXECUTE FUNCTION be_slow()');
    const slow = await ada.api.post('/api/tasks', { title: 'Slow' });
    expect(slow).toMatchObject({ status: 503, body: { code: 'SERVICE_UNAVAILABLE' } });
    const busy = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast' AND state = 'active'`;
    await until(async () => (await server.sql(busy)).length === 0, 'the statement to be over', 1_000);
    const lines = server.log.filter((line) => line.includes(slow.body.requestId) && line.includes('"warn"'));
    expect(lines).toHaveLength(1); // the reason of the response, and no later error of its handler
  });
});

describe('with two processes', () => {
  const dataDirs = [new DataDir(), new DataDir()];
  let database: ClonedDatabase;
  let servers: ServerProcess[];
  /** The API as Ada, through each of the two processes. */
  let apis: [Api, Api];
  beforeAll(async () => {
    database = await cloneDatabase();
    const secret = 'a secret that both processes know, and nobody else';
    const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
    const env = { DATABASE_URL: database.url, RATE_LIMIT_MODE: 'off', ...secrets };
    servers = dataDirs.map((dir) => new ServerProcess(dir, env));
    const [one, two] = (await Promise.all(servers.map((server) => server.ready()))) as [Api, Api];
    const account = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };
    const { accessToken } = (await one.post<Tokens>('/api/auth/register', account)).body;
    apis = [one.as(accessToken), two.as(accessToken)];
  });
  afterAll(async () => {
    const ends = await Promise.all(servers.map((server) => server.stop()));
    await killAll();
    await database.drop();
    for (const dir of dataDirs) dir.remove();
    expect(ends).toEqual([0, 0]);
    expect(servers.flatMap(({ complaints }) => complaints)).toEqual([]);
  });

  it('a request is cancelled through the other process, and requests with its id are cancelled in both', async () => {
    const { body: task } = await apis[0].post<Task>('/api/tasks', { title: 'Held' });
    const holder = await Holder.of(database.url, task.id);
    const change = (api: Api) => api.patch(`/api/tasks/${task.id}`, { title: 'Mine' }, withId('far'));
    for (const calls of [[apis[0]], apis]) {
      const answers = calls.map(change);
      await until(async () => (await holder.waiters()) === calls.length, 'the statements to wait');
      expect((await soon(apis[1].delete('/api/requests/far'))).status).toBe(204);
      expect((await soon(Promise.all(answers))).map(({ status }) => status)).toEqual(calls.map(() => 499));
      await until(async () => (await holder.waiters()) === 0, 'the statements to be over', 1_000);
    }
    expect((await apis[1].delete('/api/requests/far')).status).toBe(404);
    await holder.letGo();
    expect((await apis[0].patch(`/api/tasks/${task.id}`, { title: 'Now' })).status).toBe(200);
  });
});

describe('cancelled statements on a pool of two connections', () => {
  let database: ClonedDatabase;
  let source: DataSource;
  let transaction: Transaction;
  beforeAll(async () => {
    database = await cloneDatabase();
    const config = testConfig(database.url, { DATABASE_POOL_SIZE: '2' });
    source = await new DataSource(servingOptions(config.get(DatabaseSettings), database.url)).initialize();
    transaction = new Transaction(source, new PipelinedConnections(source), pino({ enabled: false }));
    await source.query('CREATE TABLE deeds (request int, part int)');
  });
  afterAll(async () => {
    await source.destroy();
    await database.drop();
  });

  const sleep = (ms: number) => ({ text: 'SELECT pg_sleep($1)', values: [ms / 1_000] });
  const backends = async (): Promise<string> =>
    JSON.stringify(
      await source.query(
        `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast' ORDER BY 1`,
      ),
    );

  it('are never those of another request and never half a transaction, in 1,000 cancels at random moments', async () => {
    await Promise.all([source.query('SELECT pg_sleep(0.1)'), source.query('SELECT pg_sleep(0.1)')]); // uses both connections
    const before = await backends();
    const outcomes = { cancelled: 0, done: 0 };
    const innocent = { done: 0 };
    let next = 0;

    async function victim(number: number): Promise<void> {
      const request = new RunningRequest(`victim ${number}`);
      const timer = setTimeout(() => request.cancel('asked'), Math.random() * 6);
      const work = async (): Promise<void> => {
        if (number % 3 === 0) return void (await transaction.query(sleep(Math.random() * 6)));
        await transaction.run(async () => {
          await transaction.manager.query('INSERT INTO deeds VALUES ($1, 1)', [number]);
          await transaction.query(sleep(Math.random() * 3));
          await transaction.manager.query('INSERT INTO deeds VALUES ($1, 2)', [number]);
        });
      };
      try {
        await requestContext.run(request, work);
        outcomes.done++;
      } catch (error) {
        expect([request.cancelled, sqlStateOf(error)]).toEqual(['asked', '57014']);
        outcomes.cancelled++;
      } finally {
        clearTimeout(timer);
      }
    }

    async function bystander(): Promise<void> {
      const work = async (): Promise<void> => {
        if (Math.random() < 0.5) await transaction.query(sleep(Math.random() * 3));
        else await transaction.run(async () => void (await transaction.query(sleep(Math.random() * 3))));
      };
      await (Math.random() < 0.5 ? work() : requestContext.run(new RunningRequest('bystander'), work));
      innocent.done++;
    }

    const worker = async (): Promise<void> => {
      while (next < 1_000) {
        await victim(next++);
        await bystander();
      }
    };
    await Promise.all([worker(), worker(), worker()]); // more than connections, so that some wait for one
    expect(innocent.done).toBe(outcomes.done + outcomes.cancelled);
    expect(outcomes.cancelled).toBeGreaterThan(200);
    expect(outcomes.done).toBeGreaterThan(50);
    expect(await source.query('SELECT request FROM deeds GROUP BY request HAVING count(*) <> 2')).toEqual([]);
    expect(await backends()).toBe(before); // every connection went back to the pool
  });

  it('are not sent after the cancellation, except for the rollback', async () => {
    const request = new RunningRequest('late');
    await requestContext.run(request, async () => {
      const change = transaction.run(async () => {
        await transaction.manager.query('INSERT INTO deeds VALUES (-1, 1)');
        request.cancel('asked');
      });
      expect(await change.then(() => 'committed', sqlStateOf)).toBe('57014');
      expect(await transaction.query(sleep(0)).then(() => 'sent', sqlStateOf)).toBe('57014');
    });
    expect(await source.query('SELECT FROM deeds WHERE request = -1')).toEqual([]);
    const open = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
    expect(await source.query(open)).toEqual([]);
  });

  it('do not include a commit that was already sent', async () => {
    await source.query(`
      CREATE FUNCTION take_long() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(0.5); RETURN NULL; END';
      CREATE TABLE slow_commits (id int);
      CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON slow_commits DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION take_long()`);
    const request = new RunningRequest('committing');
    const change = requestContext.run(request, () =>
      transaction.run(async () => void (await transaction.manager.query('INSERT INTO slow_commits VALUES (1)'))),
    );
    const isCommitting = `SELECT pid FROM pg_stat_activity WHERE query = 'COMMIT' AND state = 'active'`;
    await until(async () => (await source.query<unknown[]>(isCommitting)).length > 0, 'the commit');
    request.cancel('asked');
    await change;
    expect(await source.query('SELECT id FROM slow_commits')).toEqual([{ id: 1 }]);
  });
});
