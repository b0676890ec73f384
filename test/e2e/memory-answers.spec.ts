// Answers from memory equal those of the routes' handlers, and obey the same rules.
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { AccessGuard } from '../../src/auth/access.guard.js';
import { send, type RawAnswer } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
let ada: Person;
let eve: Person;
let task: string;
beforeAll(async () => {
  server = await startServer({ RATE_LIMIT_MODE: 'enforce' });
  ada = await server.registerUser('Ada');
  eve = await server.registerUser('Eve');
  task = `/api/tasks/${(await ada.api.post<{ id: string }>('/api/tasks', { title: 'Ärger' })).body.id}`;
});
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => server.close());

const paths = (): string[] => ['/api/profile', `/api/users/${ada.user.id}`, task];

/** Each request that Nest handles passes the guard. */
const handled = (): jest.SpiedFunction<AccessGuard['canActivate']> => jest.spyOn(AccessGuard.prototype, 'canActivate');

function get(path: string, headers: Record<string, string> = {}, { api }: Person = ada): Promise<RawAnswer> {
  const port = Number(new URL(server.api.url).port);
  return send(port, { method: 'GET', path, headers: { authorization: `Bearer ${api.token}`, ...headers } });
}

/** Without the headers that differ between any two answers. */
function comparable({ status, headers, text }: RawAnswer) {
  const kept = Object.entries(headers).filter(([name]) => !['date', 'x-request-id', 'ratelimit'].includes(name));
  return { status, headers: Object.fromEntries(kept), text };
}

it.each([
  ['without conditions', {}, 200],
  ['with a known tag', { 'if-none-match': '"1"' }, 304],
  ['with an old tag', { 'if-none-match': '"0"' }, 200],
  ['with a required tag that is stale', { 'if-match': '"7"' }, 412],
])('%s: they have the status, headers and body of the handler', async (_case, headers: Record<string, string>, status) => {
  for (const path of paths()) {
    await get(path); // from here on it is in memory
    const spy = handled();
    const fromMemory = await get(path, headers);
    expect(spy).not.toHaveBeenCalled();
    const fromHandler = await get(`${path}?`, headers); // a query, even an empty one, leads to the handler
    expect(spy).toHaveBeenCalledTimes(1);
    const [memory, handler] = [comparable(fromMemory), comparable(fromHandler)];
    expect(memory.status).toBe(status);
    if (status < 400) expect(memory).toEqual(handler);
    else expect(memory.headers).toEqual(handler.headers); // the body contains the id of the request
    jest.restoreAllMocks();
  }
}); // prettier-ignore

it('they count in the rate limits', async () => {
  const left = async (): Promise<number> => Number(/"sustained";r=(\d+)/.exec((await get(task)).headers['ratelimit'] ?? '')?.[1]);
  const [first, second] = [await left(), await left()];
  expect(first - second).toBe(1);
}); // prettier-ignore

it("someone else's objects are not in them", async () => {
  for (const path of paths().slice(1)) expect((await get(path, {}, eve)).status).toBe(404);
});

it('they show each change at once, and nothing after the end of the session', async () => {
  const bob = await server.registerUser('Bob');
  await get('/api/profile', {}, bob);
  await bob.api.patch('/api/profile', { name: 'Robert' });
  expect(JSON.parse((await get('/api/profile', {}, bob)).text)).toMatchObject({ name: 'Robert', version: 2 });
  await bob.api.post('/api/auth/logout');
  const spy = handled();
  expect((await get('/api/profile', {}, bob)).status).toBe(401);
  expect(spy).toHaveBeenCalled();
});
