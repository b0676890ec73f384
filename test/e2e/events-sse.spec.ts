// Checks the event log over HTTP: polls, waiting polls and event streams.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Clients } from '../../src/realtime/clients/clients.js';
import { EventSequencer } from '../../src/shared/events/event-sequencer.js';
import type { Problem, Task } from '../support/http/api.js';
import { type EventMessage, EventStream } from '../support/http/event-stream.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

interface Events {
  items: EventMessage[];
  nextCursor: string;
}

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer({ REQUEST_TIMEOUT: '1000', REALTIME_CLIENTS_PER_USER: '3' });
});
beforeEach(async () => {
  ada = await server.registerUser();
});
afterAll(() => server.close());

async function create(title: string, owner = ada): Promise<Task> {
  return (await owner.api.post<Task>('/api/tasks', { title })).body;
}

async function poll(query: string, owner = ada): Promise<Events> {
  const { status, body } = await owner.api.get<Events>(`/api/events?${query}`);
  expect(status).toBe(200);
  return body;
}

/** Returns the cursor behind all that has happened. */
async function headOf(owner = ada): Promise<string> {
  await server.app.get(EventSequencer).catchUp();
  return (await poll('', owner)).nextCursor;
}

/** Reads until there are `count` events. */
async function readAll(after: string, count: number, query = 'wait=5'): Promise<EventMessage[]> {
  const items: EventMessage[] = [];
  await until(async () => {
    const page = await poll(`after=${after}&${query}`);
    items.push(...page.items);
    after = page.nextCursor;
    return items.length >= count;
  }, `${count} events`);
  return items;
}

/** Waits until this many requests of clients wait or stream. */
async function clientsAre(count: number): Promise<void> {
  const clients = server.app.get<Clients, { clients: Set<unknown> }>(Clients, { strict: false });
  await until(() => clients.clients.size === count, `${count} clients`);
}

describe('a poll', () => {
  it('without a cursor returns the cursor of now and no items', async () => {
    await create('before');
    const { items, nextCursor } = await poll('wait=30');
    expect(items).toEqual([]);
    expect(nextCursor).toMatch(/^[0-9a-f]{12}\.\d+$/);
  });

  it('returns what has changed behind the cursor: the task as REST shows it, in order, with a cursor each', async () => {
    const head = await headOf();
    const created = await create('new');
    const path = `/api/tasks/${created.id}`;
    const changed = (await ada.api.patch<Task>(path, { title: 'changed' }, { headers: { 'if-match': '"1"' } })).body;
    await ada.api.delete(path, { headers: { 'if-match': '"2"' } });
    const items = await readAll(head, 3);
    expect(items.map(({ type }) => type)).toEqual(['TASK_CREATED', 'TASK_UPDATED', 'TASK_DELETED']);
    expect(items.slice(0, 2).map(({ task }) => task)).toEqual([created, changed]);
    expect(items[2]!.task).toMatchObject({ id: created.id, version: 3 });
    expect(await readAll(items[0]!.cursor, 2)).toEqual(items.slice(1));
    expect(await readAll(head, 3, 'limit=1')).toEqual(items);
  });

  it('waits for an event, longer than REQUEST_TIMEOUT allows other requests', async () => {
    const head = await headOf();
    const began = performance.now();
    const waiting = poll(`after=${head}&wait=30`);
    await clientsAre(1);
    await until(() => performance.now() - began > 2_500, 'the time limit of requests to pass');
    const task = await create('at last');
    expect((await waiting).items.map((item) => item.task)).toEqual([task]);
    await clientsAre(0);
  });

  it('that waits in vain returns no items and a cursor', async () => {
    const head = await headOf();
    expect(await poll(`after=${head}&wait=1`)).toEqual({ items: [], nextCursor: head });
  });

  it('with a cursor that the log cannot continue at is answered 410 EVENTS_GAP', async () => {
    const head = await headOf();
    for (const after of ['x', head.replace(/^.{12}/, '0123456789ab'), head.replace(/\d+$/, '999999')]) {
      const { status, body } = await ada.api.get<Problem>(`/api/events?after=${after}&wait=30`);
      expect([status, body.code]).toEqual([410, 'EVENTS_GAP']);
    }
  });

  it('never returns events of another user', async () => {
    const head = await headOf();
    const eve = await server.registerUser('Eve');
    await create('of Eve', eve);
    await create('of Ada');
    expect((await readAll(head, 1)).map(({ task }) => task!.title)).toEqual(['of Ada']);
  });

  it('that waits is answered 401 when its session ends', async () => {
    const head = await headOf();
    const waiting = ada.api.get<Problem>(`/api/events?after=${head}&wait=30`);
    await clientsAre(1);
    await ada.api.post('/api/auth/logout', { refreshToken: ada.refreshToken });
    const { status, body } = await waiting;
    expect([status, body.code]).toEqual([401, 'AUTH_TOKEN_INVALID']);
  });

  it('does not wait in a batch', async () => {
    const head = await headOf();
    const requests = [
      { id: '1', method: 'GET', path: `/api/events?after=${head}&wait=30`, headers: { accept: 'text/event-stream' } },
    ];
    const { body } = await ada.api.post<{ responses: Array<{ status: number; body: Events }> }>('/api/batch', {
      requests,
    });
    expect(body.responses.map((one) => [one.status, one.body])).toEqual([[200, { items: [], nextCursor: head }]]);
  });
});

describe('an event stream', () => {
  const open = (headers: Record<string, string> = {}, owner = ada) =>
    EventStream.open(`${server.url}/api/events`, owner.accessToken, headers);

  it('sends events as they happen, and is not buffered by proxies', async () => {
    const stream = await open();
    expect([stream.status, stream.headers.get('content-type')]).toEqual([200, 'text/event-stream']);
    expect(stream.headers.get('x-accel-buffering')).toBe('no');
    await until(() => stream.lastId !== '', 'the cursor of now');
    const task = await create('live');
    expect((await stream.received(1)).map((message) => message.task)).toEqual([task]);
    expect(stream.lastId).toBe(stream.messages[0]!.cursor);
    stream.close();
    await clientsAre(0);
  });

  it('continues after Last-Event-ID: each event once, in order, over many cuts', async () => {
    const titles: string[] = [];
    let last = '';
    for (let cut = 0; cut < 20; cut++) {
      const stream = await open(last === '' ? {} : { 'last-event-id': last });
      await until(() => stream.lastId !== '', 'the stream to begin');
      await Promise.all([create(`${cut} a`), create(`${cut} b`)]);
      if (cut === 19) await until(() => titles.length + stream.messages.length >= 40, 'all events');
      titles.push(...stream.messages.map(({ task }) => task!.title));
      last = stream.lastId;
      stream.close();
    }
    expect(titles.length).toBe(40);
    expect(new Set(titles).size).toBe(40);
    expect(titles.map((title) => Number(title.split(' ')[0]))).toEqual(
      Array.from({ length: 40 }, (_, at) => Math.floor(at / 2)),
    );
  });

  it('has an event GAP for a cursor of another database, and continues at the end of the log', async () => {
    const stream = await open({ 'last-event-id': '0123456789ab.7' });
    const [gap] = await stream.received(1);
    expect(gap).toEqual({ type: 'GAP', cursor: stream.lastId });
    const task = await create('after the gap');
    await until(() => stream.messages.some((message) => message.task?.id === task.id), 'the event');
    stream.close();
  });

  it('ends when the session ends', async () => {
    const stream = await open();
    await clientsAre(1);
    await ada.api.post('/api/auth/logout', { refreshToken: ada.refreshToken });
    await stream.ended();
    await clientsAre(0);
  });

  it('is refused to a user that has too many', async () => {
    const streams = await Promise.all([open(), open(), open()]);
    await clientsAre(3);
    const refused = await open();
    expect(refused.status).toBe(429);
    await refused.ended();
    expect(refused.text).toContain('REALTIME_TOO_MANY_CLIENTS');
    for (const stream of streams) stream.close();
    await clientsAre(0);
  });

  it('has no body in the answer to HEAD', async () => {
    const { status } = await fetch(`${server.url}/api/events`, {
      method: 'HEAD',
      headers: { accept: 'text/event-stream', authorization: `Bearer ${ada.accessToken}` },
    });
    expect(status).toBe(200);
  });
});

it('streams and waiting polls end when the server stops', async () => {
  const own = await startServer();
  const bob = await own.registerUser('Bob');
  const { nextCursor } = (await bob.api.get<Events>('/api/events')).body;
  const stream = await EventStream.open(`${own.url}/api/events`, bob.accessToken);
  const waiting = bob.api.get<Events>(`/api/events?after=${nextCursor}&wait=30`);
  const clients = own.app.get<Clients, { clients: Set<unknown> }>(Clients, { strict: false });
  await until(() => clients.clients.size === 2, 'both clients');
  await own.close();
  await stream.ended();
  expect((await waiting).body).toEqual({ items: [], nextCursor: expect.stringMatching(/\./) as unknown });
});
