// Checks /ws/updates: who may connect, the messages of the protocol, resuming without loss, limits, and how sockets end.
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Sockets } from '../../src/realtime/socket/sockets.js';
import { Events } from '../../src/shared/events/events.js';
import { JobProgress } from '../../src/workers/jobs.events.js';
import type { Task } from '../support/http/api.js';
import { type Received, UpdatesClient } from '../support/http/updates-client.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

let server: TestServer;
let ada: Person;
const clients: UpdatesClient[] = [];
beforeAll(async () => {
  server = await startServer({
    CORS_ORIGINS: 'https://app.example.com',
    REALTIME_CLIENTS_PER_USER: '5',
    REALTIME_UNREAD_LIMIT: '65536',
    REALTIME_SLOW_READER_TIMEOUT: '2',
    LOG_LEVEL: 'debug',
  });
});
beforeEach(async () => {
  ada = await server.registerUser();
});
afterEach(() => clients.splice(0).forEach((client) => client.close()));
afterAll(() => server.close());

async function open(
  query = `?token=${ada.accessToken}`,
  options: Parameters<typeof UpdatesClient.connect>[2] = {},
): Promise<UpdatesClient> {
  const client = await UpdatesClient.connect(server.url, query, options);
  clients.push(client);
  return client;
}

async function create(title = 'Buy milk', owner = ada): Promise<Task> {
  return (await owner.api.post<Task>('/api/tasks', { title })).body;
}

const titlesOf = (messages: readonly Received[]): string[] => messages.map(({ task }) => task!.title);

describe('a WebSocket opens with', () => {
  it.each<[string, () => Promise<UpdatesClient>, string]>([
    ['the access token in the query', () => open(), ''],
    ['the subprotocol bearer', () => open('', { protocols: ['bearer', ada.accessToken] }), 'bearer'],
    ['an Authorization header', () => open('', { headers: { authorization: `Bearer ${ada.accessToken}` } }), ''],
    ['a page of our own host', () => open(undefined, { headers: { origin: server.url } }), ''],
    ['a page of another port of this machine', () => open(undefined, { origin: 'http://localhost:5173' }), ''],
    ['an origin in CORS_ORIGINS', () => open(undefined, { origin: 'https://app.example.com' }), ''],
  ])('%s', async (_what, connected, protocol) => {
    const client = await connected();
    expect(client.ws.protocol).toBe(protocol);
    const pong = await client.ask({ type: 'PING' }, 'PONG');
    expect(Math.abs(Date.now() - Date.parse(pong.timestamp!))).toBeLessThan(60_000);
  });

  it('a ticket, once', async () => {
    const { status, body } = await ada.api.post<{ ticket: string; expiresAt: string }>('/api/realtime/tickets');
    expect(status).toBe(201);
    const client = await open(`?ticket=${body.ticket}`);
    await client.ask({ type: 'PING' }, 'PONG');
    const second = await open(`?ticket=${body.ticket}`);
    expect(await second.end()).toEqual({ code: 4401, reason: 'AUTH_TOKEN_INVALID' });
  });
});

describe('a WebSocket is closed with 4401', () => {
  it.each([
    ['no token', () => ''],
    ['an empty token', () => '?token='],
    ['a token that is no token', () => '?token=x'],
    ['a forged token', () => `?token=${ada.accessToken.slice(0, -3)}AAA`],
    ['two tokens', () => `?token=${ada.accessToken}&token=${ada.accessToken}`],
    ['an unknown ticket', () => `?ticket=${'x'.repeat(43)}`],
  ])('with %s', async (_what, query) => {
    expect(await (await open(query())).end()).toEqual({ code: 4401, reason: 'AUTH_TOKEN_INVALID' });
  });

  it('when its ticket is older than 30 seconds', async () => {
    const { body } = await ada.api.post<{ ticket: string }>('/api/realtime/tickets');
    await server.sql(`UPDATE realtime_tickets SET ends_at = now() - interval '1 ms'`);
    expect((await (await open(`?ticket=${body.ticket}`)).end()).code).toBe(4401);
  });
});

describe('a handshake is answered with', () => {
  it.each([
    ['403 for a page of another origin', { origin: 'https://evil.example.com' }, 403],
    ['403 for a page without an origin', { headers: { origin: 'null' } }, 403],
  ])('%s', async (_what, options, status) => {
    expect((await open(undefined, options)).refusal).toBe(status);
  });

  it('426 without the headers of a WebSocket, and 404 at another path', async () => {
    const plain = await fetch(`${server.url}/ws/updates`);
    expect([plain.status, plain.headers.get('upgrade')]).toEqual([426, 'websocket']);
    const other = await UpdatesClient.connect(`${server.url}/nowhere`, '');
    expect(other.refusal).toBe(404);
  });
});

it.each([
  ['GET', '/health/live', ''],
  ['POST', '/api/tasks', '{"title":"Over h2c"}'],
])('a %s request that asks for h2c is answered as any other', async (method, path, body) => {
  const socket = connect(server.port, '127.0.0.1');
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    'Connection: Upgrade, HTTP2-Settings',
    'Upgrade: h2c',
    'HTTP2-Settings: AAMAAABkAAQAAP__',
    `Authorization: Bearer ${ada.accessToken}`,
    ...(body === '' ? [] : ['Content-Type: application/json', `Content-Length: ${body.length}`]),
  ];
  let text = '';
  socket.on('data', (data) => (text += data.toString()));
  socket.write(`${lines.join('\r\n')}\r\n\r\n${body.slice(0, 5)}`);
  await new Promise((resolve) => setImmediate(resolve));
  socket.write(body.slice(5));
  await until(() => /\r\n\r\n[^]*\}/.test(text), 'the answer');
  expect(text).toMatch(method === 'GET' ? /^HTTP\/1\.1 200 OK/ : /^HTTP\/1\.1 201 Created[^]*"Over h2c"/);
  socket.destroy();
});

describe('after SUBSCRIBE_TASKS a client gets', () => {
  it('TASK_CREATED, TASK_UPDATED and TASK_DELETED with the task as REST shows it', async () => {
    const client = await open();
    const subscribed = await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    expect(subscribed).toEqual({
      type: 'SUBSCRIBED',
      topics: ['tasks'],
      cursor: expect.stringMatching(/\.\d+$/) as unknown,
    });
    const created = await create();
    const path = `/api/tasks/${created.id}`;
    const changed = (await ada.api.patch<Task>(path, { title: 'Buy tea' }, { headers: { 'if-match': '"1"' } })).body;
    await ada.api.delete(path, { headers: { 'if-match': '"2"' } });
    const events = await client.received(3);
    expect(events.map(({ type }) => type)).toEqual(['TASK_CREATED', 'TASK_UPDATED', 'TASK_DELETED']);
    expect(events.slice(0, 2).map(({ task }) => task)).toEqual([created, changed]);
    expect(events[0]).toEqual({
      type: 'TASK_CREATED',
      task: created,
      cursor: expect.stringMatching(/\.\d+$/) as unknown,
      timestamp: created.createdAt,
    });
  });

  it('TASK_CREATED when an administrator restores the task', async () => {
    const root = await server.makeAdmin();
    const client = await open();
    const task = await create();
    await ada.api.delete(`/api/tasks/${task.id}`, { headers: { 'if-match': '"1"' } });
    const { cursor } = await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    await root.api.post(`/api/tasks/${task.id}/restore`);
    await until(() => client.messages.find(({ type, task: one }) => type === 'TASK_CREATED' && (one as Task).version === 3), 'the restored task'); // prettier-ignore
    expect(cursor).toBeDefined();
  });

  it('nothing of other users, and nothing after UNSUBSCRIBE_TASKS', async () => {
    const eve = await server.registerUser('Eve');
    const client = await open();
    await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    await create('of Eve', eve);
    await create('of Ada');
    await client.received(1);
    expect(await client.ask({ type: 'UNSUBSCRIBE_TASKS' }, 'UNSUBSCRIBED')).toEqual({
      type: 'UNSUBSCRIBED',
      topics: ['tasks'],
    });
    await create('unseen');
    const { cursor } = await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    await create('seen');
    await until(() => titlesOf(client.messages.filter(({ task }) => task)).includes('seen'), 'the last task');
    const titles = titlesOf(client.messages.filter(({ task }) => task));
    expect(titles.filter((title) => title !== 'unseen')).toEqual(['of Ada', 'seen']);
    expect(cursor).toBeDefined();
  });

  it('each event that it missed, once and in order, with `since`', async () => {
    const first = await open();
    const { cursor: since } = await first.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    first.close();
    const missed = Array.from({ length: 250 }, (_, at) => ({ title: `missed ${at}` }));
    await ada.api.post('/api/tasks/bulk', { tasks: missed });
    const second = await open();
    second.send({ type: 'SUBSCRIBE_TASKS', since });
    const [subscribed] = await second.received(1, /^SUBSCRIBED$/);
    const live = await create('live');
    const events = await second.received(251);
    expect(titlesOf(events)).toEqual([...missed.map(({ title }) => title), live.title]);
    expect(subscribed!.cursor).toBeDefined();
  });

  it('a second topic later, with what it missed of it, and no event of the first one twice', async () => {
    const client = await open();
    const { cursor: since } = await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    await create('one');
    await ada.api.post('/api/jobs', { type: 'report.pdf' });
    await until(
      async () => (await ada.api.get<{ items: unknown[] }>('/api/files')).body.items.length === 1,
      'the report',
    );
    await client.ask({ type: 'SUBSCRIBE_FILES', since }, 'SUBSCRIBED');
    await client.received(1, /^FILE_CREATED$/);
    await create('two');
    expect(titlesOf(await client.received(2, /^TASK_/))).toEqual(['one', 'two']);
    expect(client.messages.filter(({ type }) => type === 'FILE_CREATED').length).toBe(1);
  });

  it.each([
    ['is no cursor', () => 'x'],
    ['is of another database', (cursor: string) => cursor.replace(/^.{12}/, '0123456789ab')],
    ['is ahead of the log', (cursor: string) => cursor.replace(/\d+$/, '99999')],
  ])('GAP, then SUBSCRIBED at the end of the log, for `since` that %s', async (_what, of) => {
    const client = await open();
    const { cursor } = await client.ask({ type: 'SUBSCRIBE_FILES' }, 'SUBSCRIBED');
    await client.ask({ type: 'SUBSCRIBE_TASKS', since: of(cursor) }, 'SUBSCRIBED');
    expect(client.messages.map(({ type }) => type)).toEqual(['SUBSCRIBED', 'GAP', 'SUBSCRIBED']);
    const fresh = await open();
    await fresh.ask({ type: 'SUBSCRIBE_TASKS', since: of(cursor) }, 'SUBSCRIBED');
    expect(fresh.messages.map(({ type }) => type)).toEqual(['GAP', 'SUBSCRIBED']);
    const task = await create();
    for (const one of [client, fresh]) expect((await one.received(1)).map((event) => event.task)).toEqual([task]);
  });
});

it('SUBSCRIBE subscribes to several topics at one cursor: jobs with their progress and end', async () => {
  const client = await open();
  const { topics } = await client.ask({ type: 'SUBSCRIBE', topics: ['tasks', 'files', 'jobs'] }, 'SUBSCRIBED');
  expect(topics).toEqual(['tasks', 'files', 'jobs']);
  await create();
  const { status, body } = await ada.api.post<{ id: string }>('/api/jobs', { type: 'report.pdf' });
  expect(status).toBe(202);
  const [done] = await client.received(1, /^JOB_DONE$/);
  expect(done!.job).toEqual({ id: body.id, type: 'report.pdf', status: 'SUCCEEDED' });
  const [file] = await client.received(1, /^FILE_CREATED$/);
  expect(file!.file).toEqual((await ada.api.get(`/api/files/${String(file!.file!['id'])}`)).body);
});

it('JOB_PROGRESS reaches the subscribers of jobs of its owner, wherever the job runs', async () => {
  const eve = await server.registerUser('Eve');
  const [client, other, foreign] = [await open(), await open(), await open(`?token=${eve.accessToken}`)];
  for (const one of [client, foreign]) await one.ask({ type: 'SUBSCRIBE_JOBS' }, 'SUBSCRIBED');
  await other.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  const job = { jobId: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11', type: 'report.pdf', ownerId: ada.user.id };
  await server.app.get(Events).emit(JobProgress, { ...job, progress: 40 });
  await server.app.get(Events).emit(JobProgress, { ...job, progress: 60 });
  const [message] = await client.received(1);
  expect(message).toEqual({
    type: 'JOB_PROGRESS',
    job: { id: job.jobId, type: 'report.pdf', progress: 60 },
    timestamp: expect.stringMatching(/Z$/) as unknown,
  });
  for (const one of [other, foreign]) {
    await one.ask({ type: 'PING' }, 'PONG');
    expect(one.messages.map(({ type }) => type)).toEqual(['SUBSCRIBED', 'PONG']);
  }
});

it('compressed and other messages keep their order', async () => {
  const client = await open();
  await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  expect(client.ws.extensions).toContain('permessage-deflate');
  const tasks = Array.from({ length: 60 }, (_, at) => ({
    title: `n ${at}`,
    description: at % 3 === 0 ? 'A long text. '.repeat(500) : '',
  }));
  await ada.api.post('/api/tasks/bulk', { tasks });
  const pong = client.ask({ type: 'PING' }, 'PONG');
  expect(titlesOf(await client.received(60))).toEqual(tasks.map(({ title }) => title));
  await pong;
});

describe('a write that races with a subscription', () => {
  it('is in the list that is read after SUBSCRIBED, or an event follows: 200 times', async () => {
    for (let turn = 0; turn < 200; turn += 5) {
      const racers = await Promise.all(Array.from({ length: 5 }, () => open()));
      await Promise.all(
        racers.map(async (client, at) => {
          const [task] = await Promise.all([
            create(`race ${turn + at}`),
            client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED'),
          ]);
          const { body } = await ada.api.get<{ items: Task[] }>('/api/tasks?limit=20');
          const isListed = body.items.some(({ id }) => id === task.id);
          if (!isListed) await until(() => client.messages.some((one) => one.task?.id === task.id), 'the event');
        }),
      );
      for (const client of racers) client.close();
      await Promise.all(racers.map((client) => client.end()));
      clients.length = 0;
    }
  });
});

describe('a message is answered with ERROR', () => {
  it.each<[string, string | Buffer, string]>([
    ['that is no JSON', '{', 'INVALID_MESSAGE'],
    ['that is no object', '[]', 'INVALID_MESSAGE'],
    ['without a type', '{}', 'INVALID_MESSAGE'],
    ['of an unknown type', '{"type":"DANCE"}', 'UNKNOWN_TYPE'],
    ['that reaches a prototype', '{"type":"PING","__proto__":{}}', 'INVALID_MESSAGE'],
    ['whose cursor is no text', '{"type":"SUBSCRIBE_TASKS","since":7}', 'INVALID_MESSAGE'],
    ['with an unknown topic', '{"type":"SUBSCRIBE","topics":["users"]}', 'INVALID_MESSAGE'],
    ['that is binary', Buffer.from('{"type":"PING"}'), 'INVALID_MESSAGE'],
  ])('%s', async (_what, message, code) => {
    const client = await open();
    client.ws.send(message);
    const [error] = await client.received(1, /^ERROR$/);
    expect(error).toEqual({ type: 'ERROR', code, message: expect.stringMatching(/\.$/) as unknown });
    await client.ask({ type: 'PING' }, 'PONG');
  });

  it('and the socket closed when it is too large: 1009', async () => {
    const client = await open();
    client.ws.send(' '.repeat(5_000));
    expect((await client.end()).code).toBe(1009);
    expect(client.messages.map(({ code }) => code)).toEqual(['MESSAGE_TOO_LARGE']);
    const other = await open();
    other.ws.send(' '.repeat(70_000));
    expect((await other.end()).code).toBe(1009);
  });

  it('and the socket closed when there are too many: 1008', async () => {
    const client = await open();
    for (let count = 0; count < 100; count++) client.send({ type: 'PING' });
    expect(await client.end()).toEqual({ code: 1008, reason: 'TOO_MANY_MESSAGES' });
    expect(client.messages.at(-1)).toMatchObject({ type: 'ERROR', code: 'TOO_MANY_MESSAGES' });
  });
});

describe('a socket is closed', () => {
  it('with 4403 when its session ends, within a second of the commit', async () => {
    const client = await open();
    await client.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    await ada.api.post('/api/auth/logout', { refreshToken: ada.refreshToken });
    expect(await client.end()).toEqual({ code: 4403, reason: 'SESSION_ENDED' });
  });

  it('with 4403 when its user is deleted or gets another role', async () => {
    const root = await server.makeAdmin();
    const client = await open();
    await root.api.patch(`/api/users/${ada.user.id}`, { role: 'ADMIN' }, { headers: { 'if-match': '*' } });
    expect((await client.end()).code).toBe(4403);
    const { accessToken } = await server.login(ada.email); // the change of the role has ended all sessions
    const again = await open(`?token=${accessToken}`);
    await again.ask({ type: 'PING' }, 'PONG');
    await root.api.delete(`/api/users/${ada.user.id}`, { headers: { 'if-match': '*' } });
    expect((await again.end()).code).toBe(4403);
  });

  it('with 4429 when its user has too many', async () => {
    for (let count = 0; count < 5; count++) await open();
    const sixth = await open();
    expect(await sixth.end()).toEqual({ code: 4429, reason: 'REALTIME_TOO_MANY_CLIENTS' });
  });

  it('with 4408 and its cursor when it does not read, while others get every event', async () => {
    const frozen = await open(undefined, { perMessageDeflate: false });
    await frozen.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    const reader = await open();
    await reader.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
    frozen.ws.pause();
    const description = 'x'.repeat(10_000);
    let sent = 0;
    await until(async () => {
      const tasks = Array.from({ length: 40 }, () => ({ title: `t${sent++}`, description }));
      await ada.api.post('/api/tasks/bulk', { tasks });
      expect(Math.max(...connections().map(({ ws }) => ws.bufferedAmount))).toBeLessThan(2 * 65_536);
      return connections().some(({ isOpen }) => !isOpen);
    }, 'the frozen client to be given up');
    frozen.ws.resume();
    const { code, reason } = await frozen.end();
    expect(titlesOf(await reader.received(sent))).toEqual(Array.from({ length: sent }, (_, at) => `t${at}`));
    expect([code, reason]).toEqual([4408, frozen.messages.at(-1)!.cursor]);
    expect(frozen.messages.length).toBeLessThan(sent);
    const resumed = await open();
    await resumed.ask({ type: 'SUBSCRIBE_TASKS', since: reason }, 'SUBSCRIBED');
    const all = [...frozen.messages, ...resumed.messages].filter(({ task }) => task);
    expect(titlesOf(all)).toEqual(Array.from({ length: sent }, (_, at) => `t${at}`));
  });

  it('with 1006 when it answers no heartbeat', async () => {
    const client = await open(undefined, { autoPong: false });
    for (let beat = 0; beat < 3; beat++) for (const connection of connections()) connection.beat();
    expect((await client.end()).code).toBe(1006);
    const living = await open();
    for (let beat = 0; beat < 3; beat++) {
      const pinged = new Promise((resolve) => living.ws.once('ping', resolve));
      for (const connection of connections()) connection.beat();
      await pinged;
      await living.ask({ type: 'PING' }, 'PONG');
    }
  });
});

interface ServerSide {
  isOpen: boolean;
  ws: { bufferedAmount: number };
  beat(): void;
}

/** The connections as the server has them. */
function connections(): ServerSide[] {
  const { slots } = server.app.get<Sockets, { slots: Array<Set<ServerSide>> }>(Sockets, { strict: false });
  return slots.flatMap((slot) => [...slot]);
}

it('no log line contains a token or a ticket', async () => {
  const { body } = await ada.api.post<{ ticket: string }>('/api/realtime/tickets');
  await open(`?ticket=${body.ticket}`);
  await open();
  await open('', { protocols: ['bearer', ada.accessToken] });
  await open(`?token=${ada.accessToken}x`);
  await until(
    () => server.log.filter((line) => line.includes('/ws/updates')).length >= 4,
    'the lines of the handshakes',
  );
  const text = server.log.join('');
  for (const secret of [ada.accessToken, ada.accessToken.slice(-43), body.ticket]) expect(text).not.toContain(secret);
  expect(text).toMatch(/"route":"\/ws\/updates","status":101/);
});

it('a socket is closed with 4401 when its token expires', async () => {
  const own = await startServer();
  const bob = await own.registerUser('Bob');
  const client = await UpdatesClient.connect(own.url, `?token=${bob.accessToken}`);
  await client.ask({ type: 'PING' }, 'PONG');
  own.advanceClock(86_400_000);
  expect(await client.end()).toEqual({ code: 4401, reason: 'AUTH_TOKEN_INVALID' });
  await own.close();
});

it('when the server stops, sockets are closed with 1012, and the stop does not wait for those that do not answer', async () => {
  const own = await startServer();
  const bob = await own.registerUser('Bob');
  const [polite, frozen] = await Promise.all([
    UpdatesClient.connect(own.url, `?token=${bob.accessToken}`),
    UpdatesClient.connect(own.url, `?token=${bob.accessToken}`),
  ]);
  await polite.ask({ type: 'SUBSCRIBE_TASKS' }, 'SUBSCRIBED');
  frozen.ws.pause();
  await own.close();
  expect(await polite.end()).toEqual({ code: 1012, reason: 'RESTART' });
  frozen.close();
});
