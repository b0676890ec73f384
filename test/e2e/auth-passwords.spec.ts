// Checks password hashes: old ones are verified and upgraded, the 72-byte limit of bcrypt, and more logins at once than cores.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash as argon2 } from '@node-rs/argon2';
import bcrypt from 'bcrypt';
import type { Tokens } from '../support/http/api.js';
import { PASSWORD, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

async function hashOf(on: TestServer, id: string): Promise<string> {
  const [row] = await on.sql<{ password_hash: string }>('SELECT password_hash FROM users WHERE uuid = $1', id);
  return row?.password_hash ?? '';
}

async function setHash(on: TestServer, id: string, hash: string): Promise<void> {
  await on.sql('UPDATE users SET password_hash = $2 WHERE uuid = $1', id, hash);
}

const login = (on: TestServer, email: string, password: string) => on.api.post('/api/auth/login', { email, password });

it('new passwords are hashed with argon2id at the costs that OWASP recommends', async () => {
  const { user } = await server.registerUser();
  expect(await hashOf(server, user.id)).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
});

describe('an imported password hash', () => {
  it('by bcrypt is verified and upgraded to argon2id at login, invisibly to the client', async () => {
    const { email, user } = await server.registerUser();
    await setHash(server, user.id, await bcrypt.hash(PASSWORD, 4));
    expect(await login(server, email, 'wrong password')).toMatchObject({ status: 401 });
    expect(await hashOf(server, user.id)).toMatch(/^\$2b\$04\$/);
    expect((await server.login(email)).user).toEqual(user); // the version too
    expect(await hashOf(server, user.id)).toMatch(/^\$argon2id\$/);
    expect((await server.login(email)).user).toEqual(user);
    expect(await login(server, email, 'wrong password')).toMatchObject({ status: 401 });
  });

  it('by bcrypt of a password of 72 bytes does not match a longer password', async () => {
    const { email, user } = await server.registerUser();
    const most = 'A'.repeat(72);
    await setHash(server, user.id, await bcrypt.hash(most, 4));
    expect((await login(server, email, `${most}secret`)).status).toBe(401);
    expect((await login(server, email, most)).status).toBe(200);
  });

  it.each([
    ['has a higher cost than allowed', '$2b$31$......................................................'],
    ['is argon2id with 4 GiB of memory', '$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHQ$hashhashhashhashhashhash'],
    ['is truncated', '$2b$12$short'],
    ['has an unknown scheme', '$md5$abc'],
    ['is plain text', PASSWORD],
  ])('that %s never matches, and causes no server error', async (_what, hash) => {
    const { email, user } = await server.registerUser();
    await setHash(server, user.id, hash);
    expect(await login(server, email, PASSWORD)).toMatchObject({
      status: 401,
      body: { code: 'AUTH_INVALID_CREDENTIALS' },
    });
  });
});

it('requests over the limit of waiting hashes get 503 with Retry-After, on every route that hashes', async () => {
  const { email } = await server.registerUser();
  const root = await server.makeAdmin();
  const at = (i: number) => `crowd.${i}@example.com`;
  const routes: Array<(i: number) => Promise<{ status: number; body: unknown; headers: Headers }>> = [
    () => login(server, email, 'wrong password'),
    (i) => server.api.post('/api/auth/register', { email: at(i), password: PASSWORD, name: 'Crowd' }),
    (i) => root.api.post('/api/users', { email: `made.${at(i)}`, password: PASSWORD }),
  ];
  for (const route of routes) {
    const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => route(i)));
    const refused = answers.filter(({ status }) => status !== 201 && status !== 401);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, headers } of refused) expect([status, headers.has('retry-after')]).toEqual([503, true]);
  }
});

describe('with PASSWORD_HASH=bcrypt', () => {
  let old: TestServer;
  beforeAll(async () => {
    old = await startServer({ PASSWORD_HASH: 'bcrypt' });
  });
  afterAll(() => old.close());

  it('passwords of 72 bytes are accepted and of 73 refused, counted in bytes, wherever a password is set', async () => {
    const register = (email: string, password: string) =>
      old.api.post<Tokens & { code?: string }>('/api/auth/register', { email, password, name: 'Old' });
    const most = `${'äöüß'.repeat(8)}éàôî`; // 36 characters, 72 bytes
    const tooLong = { status: 400, body: { code: 'USER_PASSWORD_TOO_LONG' } };
    expect(await register('over@example.com', `${most}x`)).toMatchObject(tooLong);
    expect(await register('over@example.com', 'a long one '.repeat(7))).toMatchObject(tooLong);
    const { status, body } = await register('most@example.com', most);
    expect(status).toBe(201);
    expect(await hashOf(old, body.user.id)).toMatch(/^\$2b\$12\$/);
    expect((await login(old, 'most@example.com', most)).status).toBe(200);
    expect((await login(old, 'most@example.com', `${most}x`)).status).toBe(401);
    const change = { currentPassword: most, newPassword: `${most}x` };
    expect(await old.api.post('/api/auth/password', change, { token: body.accessToken })).toMatchObject(tooLong);
    const root = await old.makeAdmin();
    expect(await root.api.post('/api/users', { username: 'long', password: `${most}x` })).toMatchObject(tooLong);
    expect(await root.api.patch(`/api/users/${body.user.id}`, { password: `${most}x` })).toMatchObject(tooLong);
  });

  it('an argon2id hash is verified and becomes bcrypt, unless the password is longer than bcrypt supports', async () => {
    const { email, user } = await old.registerUser();
    await setHash(old, user.id, await argon2(PASSWORD));
    expect((await login(old, email, PASSWORD)).status).toBe(200);
    expect(await hashOf(old, user.id)).toMatch(/^\$2b\$12\$/);

    const long = 'x'.repeat(100);
    await setHash(old, user.id, await argon2(long));
    expect((await login(old, email, long)).status).toBe(200);
    expect(await hashOf(old, user.id)).toMatch(/^\$argon2id\$/);
  });
});
