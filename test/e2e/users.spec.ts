// Checks user accounts for administrators: create, list, change, delete, restore, the last administrator, and access by users.
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { AuditEntry, Page, Problem, Tokens, User } from '../support/http/api.js';
import { PASSWORD, type Person, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
let root: Person;
beforeAll(async () => {
  server = await startServer();
  root = await server.makeAdmin();
});
afterAll(() => server.close());

let serial = 0;
const unique = (name: string): string => `${name}.${++serial}`;
const post = (values: object) => root.api.post<User & Problem>('/api/users', values);
const pathOf = ({ id }: { id: string }): string => `/api/users/${id}`;

async function create(values: object = {}): Promise<User> {
  const { status, body } = await post({ email: `${unique('made')}@example.com`, name: 'Made', ...values });
  expect(status).toBe(201);
  return body;
}

describe('an administrator', () => {
  it('leaves a line in the audit log for each account that is created, changed, deleted or restored, without secrets', async () => {
    const user = await create({ password: 'Zebra quartz 77 loom' });
    await root.api.patch(pathOf(user), { role: 'ADMIN', password: 'Another quartz 78 loom' });
    await root.api.patch(pathOf(user), {});
    await root.api.delete(pathOf(user));
    await root.api.post(`${pathOf(user)}/restore`);
    const { items } = (await root.api.get<Page<AuditEntry>>('/api/audit-logs')).body;
    const lines = items.filter(({ subjectId }) => subjectId === user.id).toReversed();
    const actions = ['created', 'password-changed', 'locked-out', 'deleted', 'locked-out', 'restored'];
    const names = actions.map((action) => `user.${action}`);
    names.splice(3, 0, 'permission.used'); // the PATCH that changes nothing returns the user
    expect(lines.map(({ action, actorId }) => [action, actorId])).toEqual(names.map((name) => [name, root.user.id]));
    expect(lines[1]?.details).toMatchObject({ before: { role: 'USER' }, after: { role: 'ADMIN', name: 'Made' } });
    expect(JSON.stringify(lines)).not.toMatch(/argon2|scrypt|hash|quartz/i);
  });

  it('creates a user from username, age and hobbies alone, which cannot log in', async () => {
    const username = unique('jsmith');
    const { status, body, headers } = await post({ username, age: 36, hobbies: ['coding', 'chess'] });
    expect(status).toBe(201);
    expect(body).toMatchObject({
      username,
      age: 36,
      hobbies: ['coding', 'chess'],
      email: null,
      name: null,
      role: 'USER',
    });
    expect([headers.get('location'), headers.get('etag')]).toEqual([pathOf(body), '"1"']);
    expect((await root.api.get<User>(pathOf(body))).body).toEqual(body);
    expect(JSON.stringify(body)).not.toMatch(/password|hash/i);
  });

  it('creates a user with a password, which can log in', async () => {
    const user = await create({ password: PASSWORD, role: 'ADMIN' });
    const person = await server.login(user.email as string);
    expect(person.user).toEqual(user);
    expect((await person.api.get('/api/users')).status).toBe(200);
  });

  it.each(['put', 'patch'] as const)('changes a user with %s: absent members stay, null clears', async (verb) => {
    const user = await create({ username: unique('u'), age: 40, hobbies: ['go'] });
    const changed = await root.api[verb]<User>(pathOf(user), { age: 41 }, { headers: { 'if-match': '"1"' } });
    expect(changed.body).toEqual({ ...user, age: 41, version: 2, updatedAt: changed.body.updatedAt });
    const cleared = await root.api[verb]<User>(pathOf(user), { age: null, name: null, username: null, hobbies: [] });
    expect(cleared.body).toMatchObject({
      age: null,
      name: null,
      username: null,
      hobbies: [],
      email: user.email,
      version: 3,
    });
    expect((await root.api[verb](pathOf(user), { age: 1 }, { headers: { 'if-match': '"1"' } })).status).toBe(412);
    expect((await root.api.delete(pathOf(user), { headers: { 'if-match': '"1"' } })).status).toBe(412);
  });

  it('cannot remove all names of a user', async () => {
    const nameless = { status: 400, body: { code: 'USER_NAMELESS' } };
    expect(await post({ name: 'No name' })).toMatchObject(nameless);
    expect(await post({ email: null, username: null })).toMatchObject(nameless);
    const user = await create();
    expect(await root.api.patch(pathOf(user), { email: null })).toMatchObject(nameless);
    expect((await root.api.get<User>(pathOf(user))).body).toEqual(user);
    expect((await root.api.patch(pathOf(user), { email: null, username: unique('named') })).status).toBe(200);
  });

  it('gets 409 for an e-mail or username that is taken in any case, and the response names the field', async () => {
    const user = await create({ username: unique('Taken') });
    const other = await create({ username: unique('other') });
    const email = user.email?.toUpperCase();
    const username = user.username?.toLowerCase();
    const taken = (what: string) => ({ status: 409, body: { code: `USER_${what}_TAKEN` } });
    expect(await post({ email })).toMatchObject(taken('EMAIL'));
    expect(await post({ username })).toMatchObject(taken('USERNAME'));
    expect(await root.api.patch(pathOf(other), { email })).toMatchObject(taken('EMAIL'));
    expect(await root.api.patch(pathOf(other), { username })).toMatchObject(taken('USERNAME'));
    expect((await root.api.patch(pathOf(user), { email, username })).status).toBe(200); // its own values
    const ada = await server.registerUser();
    expect(await ada.api.patch('/api/profile', { username })).toMatchObject(taken('USERNAME'));
  });

  it('lists users page by page, filtered by role and by a part of the e-mail, name or username', async () => {
    const tag = unique('Tag%_');
    const made = [
      await create({ name: tag }),
      await create({ username: tag }),
      await create({ email: `x${tag}@example.com` }),
    ];
    const list = (query: string) => root.api.get<Page<User>>(`/api/users?q=${encodeURIComponent(tag)}&${query}`);
    const first = await list('sort=createdAt&limit=2');
    const second = await list(`sort=createdAt&limit=2&cursor=${first.body.nextCursor}`);
    expect([...first.body.items, ...second.body.items]).toEqual(made);
    expect(second.body.nextCursor).toBeNull();
    expect((await list('role=ADMIN')).body.items).toEqual([]);
    expect((await root.api.get<Page<User>>('/api/users?q=tag%25')).body.items.length).toBeGreaterThanOrEqual(3);
  });

  it('deletes a user, which ends all sessions at once, lists deleted users and restores them', async () => {
    const ada = await server.registerUser();
    expect((await ada.api.get('/api/profile')).status).toBe(200);
    expect((await root.api.delete(pathOf(ada.user))).status).toBe(204);
    expect((await ada.api.get('/api/profile')).status).toBe(401);
    expect((await server.api.post('/api/auth/refresh', { refreshToken: ada.refreshToken })).status).toBe(401);
    await expect(server.login(ada.email)).rejects.toThrow('AUTH_INVALID_CREDENTIALS');
    expect(await root.api.get(pathOf(ada.user))).toMatchObject({ status: 404, body: { code: 'USER_NOT_FOUND' } });
    expect((await root.api.delete(pathOf(ada.user))).status).toBe(404);
    expect((await root.api.patch(pathOf(ada.user), { age: 1 })).status).toBe(404);
    const { body: deleted } = await root.api.get<Page<User>>('/api/users?deleted=true');
    expect(deleted.items.find(({ id }) => id === ada.user.id)).toHaveProperty('deletedAt');

    const restored = await root.api.post<User>(`${pathOf(ada.user)}/restore`);
    expect(restored).toMatchObject({ status: 200, body: { email: ada.email, version: 3 } });
    expect((await root.api.post(`${pathOf(ada.user)}/restore`)).status).toBe(404);
    expect((await ada.api.get('/api/profile')).status).toBe(401); // the old sessions stay ended
    expect((await server.login(ada.email)).user.id).toBe(ada.user.id);
  });

  it('cannot restore a user whose e-mail or username was taken meanwhile', async () => {
    const first = await create({ username: unique('wanted') });
    await root.api.delete(pathOf(first));
    const second = await create({ email: first.email });
    const restore = () => root.api.post(`${pathOf(first)}/restore`);
    expect(await restore()).toMatchObject({ status: 409, body: { code: 'USER_EMAIL_TAKEN' } });
    await root.api.patch(pathOf(second), { email: `${unique('moved')}@example.com`, username: first.username });
    expect(await restore()).toMatchObject({ status: 409, body: { code: 'USER_USERNAME_TAKEN' } });
    await root.api.delete(pathOf(second));
    expect((await restore()).status).toBe(200);
    expect((await root.api.post(`${pathOf(second)}/restore`)).status).toBe(409);
  });
});

it('the e-mail of a deleted account can be registered again as a new account', async () => {
  const ada = await server.registerUser();
  await root.api.delete(pathOf(ada.user));
  const values = { email: ada.email, password: PASSWORD, name: 'Ada again' };
  const { status, body } = await server.api.post<Tokens>('/api/auth/register', values);
  expect(status).toBe(201);
  expect(body.user.id).not.toBe(ada.user.id);
});

describe('a user', () => {
  it('can read its own account, but no other, and cannot manage accounts', async () => {
    const ada = await server.registerUser();
    expect((await ada.api.get<User>(pathOf(ada.user))).body).toEqual(ada.user);
    expect((await ada.api.get<User>(`/api/v1/users/${ada.user.id.toUpperCase()}`)).body).toEqual(ada.user);
    const unknown = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
    for (const id of [root.user.id, unknown])
      expect(await ada.api.get(`/api/users/${id}`)).toMatchObject({ status: 404, body: { code: 'USER_NOT_FOUND' } });
    for (const { id } of [root.user, ada.user, { id: unknown }]) {
      const forbidden = [
        await ada.api.get('/api/users'),
        await ada.api.get(`/api/users?deleted=true`),
        await ada.api.post('/api/users', { username: unique('x') }),
        await ada.api.put(`/api/users/${id}`, { role: 'ADMIN' }),
        await ada.api.patch(`/api/users/${id}`, { role: 'ADMIN' }),
        await ada.api.delete(`/api/users/${id}`),
        await ada.api.post(`/api/users/${id}/restore`),
      ];
      for (const { status, body } of forbidden) expect([status, body.code]).toEqual([403, 'FORBIDDEN']);
    }
    expect((await ada.api.get<User>('/api/profile')).body.role).toBe('USER');
  });
});

describe('the last administrator', () => {
  const lastAdmin = { status: 409, body: { code: 'USER_LAST_ADMIN' } };
  const admins = () => server.sql(`SELECT uuid FROM users WHERE role = 'ADMIN' AND deleted_at IS NULL`);
  beforeEach(async () => {
    await server.sql(`UPDATE users SET deleted_at = now() WHERE role = 'ADMIN' AND uuid <> $1`, root.user.id);
    expect(await admins()).toHaveLength(1);
  });

  it('cannot be deleted or demoted, by PUT or PATCH', async () => {
    expect(await root.api.delete(pathOf(root.user))).toMatchObject(lastAdmin);
    expect(await root.api.patch(pathOf(root.user), { role: 'USER' })).toMatchObject(lastAdmin);
    expect(await root.api.put(pathOf(root.user), { role: 'USER', name: 'X' })).toMatchObject(lastAdmin);
    expect((await root.api.get<User>('/api/profile')).body).toMatchObject({ role: 'ADMIN', name: 'Root' });
    expect((await root.api.patch(pathOf(root.user), { role: 'ADMIN', age: 50 })).status).toBe(200);
  });

  it('is left when two administrators delete or demote each other at once', async () => {
    for (let round = 0; round < 6; round++) {
      const second = await server.makeAdmin();
      const strike = (by: Person, at: Person) =>
        round % 2 ? by.api.delete(pathOf(at.user)) : by.api.patch(pathOf(at.user), { role: 'USER' });
      const answers = await Promise.all([strike(root, second), strike(second, root)]);
      const done = answers.map(({ status }) => status === (round % 2 ? 204 : 200));
      expect(done.filter(Boolean)).toHaveLength(1);
      expect([401, 409]).toContain(answers[done.indexOf(false)]?.status); // 401: logged out before its own request
      expect(await admins()).toHaveLength(1);
      if (done[1]) root = second;
    }
  });
});
