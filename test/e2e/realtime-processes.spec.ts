// Checks realtime over two server processes on one database: events, resume over kills and restarts, sessions, tickets, stop.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { Api, Task, Tokens } from '../support/http/api.js';
import { type Received, UpdatesClient } from '../support/http/updates-client.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { DataDir, killAll, ServerProcess } from '../support/server/server-process.js';
import { until } from '../support/time/until.js';

jest.setTimeout(300_000); // starting a server takes half a minute on a busy machine

const ADA = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };
const dirs = [new DataDir(), new DataDir()];
let database: ClonedDatabase;
let servers: ServerProcess[];
let one: Api;
let two: Api;
let token: string;

function start(at: number): ServerProcess {
  const secret = 'a secret that both processes share, and no other one';
  const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
  const env = { DATABASE_URL: database.url, RATE_LIMIT_MODE: 'off', ACCESS_TOKEN_TTL: '3600', ...secrets };
  return new ServerProcess(dirs[at] as DataDir, env);
}

beforeAll(async () => {
  database = await cloneDatabase();
  servers = [start(0), start(1)];
  [one, two] = (await Promise.all(servers.map((server) => server.ready()))) as [Api, Api];
  token = (await one.post<Tokens>('/api/auth/register', ADA)).body.accessToken;
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
  await killAll();
  await database.drop();
  for (const dir of dirs) dir.remove();
});

const create = (title: string, api = one) => api.as(token).post<Task>('/api/tasks', { title });

it('a change in one process reaches the sockets of the other', async () => {
  const client = await UpdatesClient.connect(two.url, `?token=${token}`);
  await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  const { body } = await create('from the other process');
  expect((await client.received(1)).map(({ task }) => task)).toEqual([body]);
  client.close();
});

it('a ticket of one process opens a socket in the other', async () => {
  const { body } = await one.as(token).post<{ ticket: string }>('/api/realtime/tickets');
  const client = await UpdatesClient.connect(two.url, `?ticket=${body.ticket}`);
  await client.ask({ type: 'PING' }, 'PONG');
  client.close();
});

it('a session that ends in one process closes its sockets in the other with 4403', async () => {
  const { email, password } = ADA;
  const { body } = await one.post<Tokens>('/api/auth/login', { email, password });
  const client = await UpdatesClient.connect(two.url, `?token=${body.accessToken}`);
  await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  expect((await one.as(body.accessToken).post('/api/auth/logout', { refreshToken: body.refreshToken })).status).toBe(
    204,
  );
  expect(await client.end()).toEqual({ code: 4403, reason: 'SESSION_ENDED' });
});

it('through cuts and kills a client gets every event once, in order, from whichever process it reaches', async () => {
  const first = await UpdatesClient.connect(one.url, `?token=${token}`);
  let { cursor } = await first.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  first.close();
  const seen: Received[] = [];
  const take = (client: UpdatesClient): void => {
    seen.push(...client.messages.filter(({ type }) => type.startsWith('TASK_')));
    cursor = client.messages.filter((message) => message.cursor).at(-1)?.cursor ?? cursor;
  };
  const TOTAL = 300;
  let created = 0;
  const writing = (async () => {
    for (; created < TOTAL; created++) expect((await create(`n ${created}`)).status).toBe(201);
  })();
  for (let turn = 0; seen.length < TOTAL; turn++) {
    if (turn === 4) {
      servers[1]!.signal('SIGKILL');
      await servers[1]!.ended;
      servers[1] = start(1);
      two = await servers[1].ready();
    }
    const client = await UpdatesClient.connect(turn % 2 === 0 ? one.url : two.url, `?token=${token}`);
    await client.ask({ type: 'SUBSCRIBE_TASKS', since: cursor }, 'SUBSCRIBED');
    const isLast = created === TOTAL;
    if (isLast) await until(() => seen.length + client.messages.length > TOTAL, 'the rest');
    else await until(() => client.messages.length > 20 || created === TOTAL, 'some events');
    client.close();
    await client.end();
    take(client);
  }
  await writing;
  expect(seen.map(({ task }) => task!.title)).toEqual(Array.from({ length: TOTAL }, (_, at) => `n ${at}`));
});

it('SIGTERM closes sockets with 1012, and the process ends without waiting for them', async () => {
  const client = await UpdatesClient.connect(two.url, `?token=${token}`);
  await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  const stopped = servers[1]!.stop();
  expect(await client.end()).toEqual({ code: 1012, reason: 'RESTART' });
  expect(await stopped).toBe(0);
  expect(servers[1]!.complaints).toEqual([]);
});
