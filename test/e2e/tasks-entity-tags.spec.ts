// Checks optimistic locking over HTTP: ETag, If-None-Match, If-Match (RFC 9110, 13.1).
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Answer, Problem, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer();
  ada = await server.registerUser();
});
afterAll(() => server.close());

const create = async (): Promise<Task> => (await ada.api.post<Task>('/api/tasks', { title: 'Buy milk' })).body;
const pathOf = (task: Task): string => `/api/tasks/${task.id}`;

describe('the entity tag of a task', () => {
  const withTag = (tag: string, name = 'if-match') => ({ headers: { [name]: tag } });

  it.each([
    ['the same tag', '"1"', 304],
    ['the same tag, weak', 'W/"1"', 304],
    ['a list that contains it', '"8", W/"1"', 304],
    ['any tag', '*', 304],
    ['another tag', '"2"', 200],
    ['a tag without quotes', '1', 200],
    ['nonsense', ',,"', 200],
  ])('is compared with %s in If-None-Match: %s returns %i', async (_what, tag, status) => {
    const task = await create();
    const get = await ada.api.get<Task>(pathOf(task), withTag(tag, 'if-none-match'));
    expect([get.status, get.body, get.headers.get('etag')]).toEqual([status, status === 304 ? undefined : task, '"1"']);
    const head = await ada.api.request('HEAD', pathOf(task), undefined, withTag(tag, 'if-none-match'));
    expect([head.status, head.body, head.headers.get('etag')]).toEqual([status, undefined, '"1"']);
    if (status === 200) expect(head.headers.get('content-length')).toBe(get.headers.get('content-length'));
  });

  it('changes with the task, so that the tag of an outdated copy returns the new version', async () => {
    const task = await create();
    await ada.api.patch(pathOf(task), { priority: 1 });
    const fresh = await ada.api.get<Task>(pathOf(task), withTag('"1"', 'if-none-match'));
    expect([fresh.status, fresh.headers.get('etag'), fresh.body.priority]).toEqual([200, '"2"', 1]);
  });

  it.each([
    ['the current tag', '"1"', 200],
    ['a list that contains it', '"4" ,"1"', 200],
    ['any tag', '*', 200],
    ['a stale tag', '"9"', 412],
    ['the current tag as a weak one', 'W/"1"', 412],
    ['a list without it', '"2", "3"', 412],
    ['a number too large for a version', '"99999999999999999999"', 412],
    ['a tag of letters', '"abc"', 412],
    ['a padded number', '"01"', 412],
    ['a tag without quotes', '1', 400],
    ['a tag with an open quote', '"1', 400],
    ['nonsense', 'x y z', 400],
  ])('is compared with %s in If-Match: %s returns %i', async (_what, tag, status) => {
    const task = await create();
    const codes: Record<number, string | undefined> = { 400: 'BAD_REQUEST', 412: 'VERSION_STALE' };
    for (const verb of ['patch', 'put'] as const) {
      const fresh = await create();
      const { body, ...answer } = await ada.api[verb](pathOf(fresh), { priority: 1 }, withTag(tag));
      expect([answer.status, body.code]).toEqual([status, codes[status]]);
    }
    const answer: Answer<Problem | undefined> = await ada.api.delete(pathOf(task), withTag(tag));
    expect([answer.status, answer.body?.code]).toEqual([status === 200 ? 204 : status, codes[status]]);
    expect((await ada.api.get<Task>(pathOf(task))).status).toBe(status === 200 ? 404 : 200);
  });

  it('does not reveal whether the task of another user exists', async () => {
    const task = await create();
    const stranger = await server.registerUser();
    expect((await stranger.api.patch(pathOf(task), { priority: 1 }, withTag('"9"'))).status).toBe(404);
    expect((await stranger.api.get(pathOf(task), withTag('*', 'if-none-match'))).status).toBe(404);
  });
});
