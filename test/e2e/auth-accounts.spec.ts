// Checks accounts and sessions over HTTP: register, log in, log out, devices, password and role changes.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { hash as argon2Hash } from '@node-rs/argon2';
import { PasswordHasher } from '../../src/shared/security/password-hasher.js';
import type { Answer, Page, Problem, Sessions, Tokens, User } from '../support/http/api.js';
import { PASSWORD, startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

/** The parts of a response by which a caller can distinguish two of them. */
function visible({ status, headers, body }: Answer<object>): unknown {
  const rest = [...headers].filter(([name]) => !['date', 'x-request-id'].includes(name));
  return { status, headers: Object.fromEntries(rest), body: { ...body, requestId: 'any' } };
}

describe('registration', () => {
  it('creates an account, logs it in, and returns no password', async () => {
    const values = { email: ' Grace@Example.COM ', password: PASSWORD, name: 'Grace Hopper' };
    const { status, body, headers } = await server.api.post<Tokens>('/api/auth/register', values);
    expect(status).toBe(201);
    expect(body).toMatchObject({ tokenType: 'Bearer', expiresIn: 900 });
    expect(body.user).toMatchObject({ email: 'grace@example.com', name: 'Grace Hopper', role: 'USER', version: 1 });
    expect(Object.keys(body.user).sort()).toEqual(
      ['age', 'createdAt', 'email', 'hobbies', 'id', 'name', 'role', 'updatedAt', 'username', 'version'].sort(),
    );
    expect(headers.get('cache-control')).toBe('no-store');
    const profile = await server.api.get<User>('/api/profile', { token: body.accessToken });
    expect(profile).toMatchObject({ status: 200, body: body.user });
    expect(profile.headers.get('etag')).toBe('"1"');
  });

  it('is refused for an e-mail that is taken in any case, a short password, or a role in the body', async () => {
    const { email } = await server.registerUser();
    const register = (values: object) =>
      server.api.post('/api/auth/register', { email: 'new@example.com', password: PASSWORD, name: 'New', ...values });
    expect(await register({ email: email.toUpperCase() })).toMatchObject({
      status: 409,
      body: { code: 'USER_EMAIL_TAKEN' },
    });
    for (const [field, value] of Object.entries({ password: 'short', role: 'ADMIN', name: '', email: 'nobody' })) {
      const { status, body } = await register({ [field]: value });
      expect([status, body.code, body.errors?.map((error) => error.field)]).toEqual([
        400,
        'VALIDATION_FAILED',
        [field],
      ]);
    }
  });

  it('by twenty requests at once with one e-mail creates one account', async () => {
    const values = { email: 'race@example.com', password: PASSWORD, name: 'Race' };
    const all = await Promise.all(Array.from({ length: 20 }, () => server.api.post('/api/auth/register', values)));
    expect(all.filter(({ status }) => status === 201)).toHaveLength(1);
    const busy = 503; // when hashing is so slow that a request does not get its turn in time
    for (const { status } of all) expect([201, 409, busy]).toContain(status);
    expect((await server.api.post('/api/auth/register', values)).status).toBe(409);
  });
});

describe('login', () => {
  it('accepts the e-mail in any case', async () => {
    const { email, user } = await server.registerUser();
    expect((await server.login(email.toUpperCase())).user).toEqual(user);
  });

  it('returns the same response for an unknown e-mail, a wrong password and an account without one, after one hash verification each', async () => {
    const { email } = await server.registerUser();
    const root = await server.makeAdmin();
    await root.api.post<User>('/api/users', { email: 'passwordless@example.com' });
    const hasher = server.app.get(PasswordHasher, { strict: false });
    const verifications = jest.spyOn(hasher as unknown as { check(): Promise<boolean> }, 'check');
    const answers = [];
    for (const who of [email, 'nobody@example.com', 'passwordless@example.com']) {
      answers.push(await server.api.post('/api/auth/login', { email: who, password: 'not the password' }));
      expect(verifications).toHaveBeenCalledTimes(1);
      verifications.mockClear();
    }
    verifications.mockRestore();
    expect(answers[0]).toMatchObject({ status: 401, body: { code: 'AUTH_INVALID_CREDENTIALS' } });
    expect(answers[0]?.headers.get('www-authenticate')).toBe('Bearer');
    expect(visible(answers[1] as Answer<object>)).toEqual(visible(answers[0] as Answer<object>));
    expect(visible(answers[2] as Answer<object>)).toEqual(visible(answers[0] as Answer<object>));
  });
});

describe('a session', () => {
  it('ends immediately at logout, together with its refresh token and cookie', async () => {
    const ada = await server.registerUser();
    expect((await ada.api.get('/api/profile')).status).toBe(200); // puts the token into the cache
    const out = await ada.api.post('/api/auth/logout');
    expect(out.status).toBe(204);
    expect(out.headers.get('set-cookie')).toMatch(/^refresh_token=;.*Max-Age=0/);
    const after = await ada.api.get('/api/profile');
    expect(after).toMatchObject({ status: 401, body: { code: 'AUTH_TOKEN_INVALID' } });
    expect(after.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    const again = await server.api.post('/api/auth/refresh', { refreshToken: ada.refreshToken });
    expect(again).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_INVALID' } });
  });

  it('on another device survives a logout, and ends with logout-all', async () => {
    const phone = await server.registerUser();
    const laptop = await server.login(phone.email);
    const other = await server.registerUser();
    const tablet = await server.login(phone.email);
    await tablet.api.post('/api/auth/logout');
    expect((await phone.api.get('/api/profile')).status).toBe(200);
    expect((await laptop.api.get('/api/profile')).status).toBe(200);
    expect((await laptop.api.post('/api/auth/logout-all')).status).toBe(204);
    expect((await phone.api.get('/api/profile')).status).toBe(401);
    expect((await laptop.api.get('/api/profile')).status).toBe(401);
    expect((await other.api.get('/api/profile')).status).toBe(200);
  });

  it('is listed only for its owner, newest first, with its device', async () => {
    const phone = await server.registerUser();
    await server.registerUser();
    const { body } = await server.api.post<Tokens>(
      '/api/auth/login',
      { email: phone.email, password: PASSWORD },
      { headers: { 'user-agent': 'Netscape/4' } },
    );
    const { body: list } = await server.api.get<Sessions>('/api/auth/sessions', { token: body.accessToken });
    expect(list.items.map(({ current, userAgent, ip }) => ({ current, userAgent, ip }))).toEqual([
      { current: true, userAgent: 'Netscape/4', ip: '127.0.0.1' },
      { current: false, userAgent: 'node', ip: '127.0.0.1' },
    ]);
  });

  it('is revoked only by its owner, and then that device is logged out', async () => {
    const phone = await server.registerUser();
    const laptop = await server.login(phone.email);
    const stranger = await server.makeAdmin();
    const { body } = await laptop.api.get<Sessions>('/api/auth/sessions');
    const phones = `/api/auth/sessions/${body.items.find(({ current }) => !current)?.id}`;
    expect(await stranger.api.delete(phones)).toMatchObject({ status: 404, body: { code: 'AUTH_SESSION_NOT_FOUND' } });
    expect((await phone.api.get('/api/profile')).status).toBe(200);
    expect((await laptop.api.delete(phones)).status).toBe(204);
    expect((await phone.api.get('/api/profile')).status).toBe(401);
    expect((await laptop.api.get('/api/profile')).status).toBe(200);
    expect((await laptop.api.delete(phones)).status).toBe(404);
    expect((await laptop.api.get<Page<unknown>>('/api/auth/sessions')).body.items).toHaveLength(1);
  });
});

describe('a password change', () => {
  it('needs the current password and ends the other sessions; only the new password works afterwards', async () => {
    const phone = await server.registerUser();
    const laptop = await server.login(phone.email);
    const change = (currentPassword: string, newPassword = 'a new battery staple') =>
      laptop.api.post('/api/auth/password', { currentPassword, newPassword });
    expect(await change('wrong password')).toMatchObject({ status: 401, body: { code: 'AUTH_INVALID_CREDENTIALS' } });
    expect(await change(PASSWORD, 'short')).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
    expect((await phone.api.get('/api/profile')).status).toBe(200);
    expect((await change(PASSWORD)).status).toBe(204);
    expect((await phone.api.get('/api/profile')).status).toBe(401);
    expect((await laptop.api.get('/api/profile')).status).toBe(200);
    await expect(server.login(phone.email)).rejects.toThrow('AUTH_INVALID_CREDENTIALS');
    expect((await server.login(phone.email, 'a new battery staple')).user.id).toBe(phone.user.id);
  });

  it('by an administrator ends all sessions of the user', async () => {
    const ada = await server.registerUser();
    const root = await server.makeAdmin();
    expect((await ada.api.get('/api/profile')).status).toBe(200);
    expect((await root.api.patch(`/api/users/${ada.user.id}`, { password: 'set by root' })).status).toBe(200);
    expect((await ada.api.get('/api/profile')).status).toBe(401);
    expect((await server.login(ada.email, 'set by root')).user.id).toBe(ada.user.id);
  });
});

it('a role change ends the sessions of the user, setting the same role again does not', async () => {
  const ada = await server.registerUser();
  const root = await server.makeAdmin();
  const path = `/api/users/${ada.user.id}`;
  expect((await root.api.patch(path, { role: 'USER' })).status).toBe(200);
  expect((await ada.api.get('/api/profile')).status).toBe(200);
  expect((await root.api.patch<User>(path, { role: 'ADMIN' })).body.role).toBe('ADMIN');
  expect((await ada.api.get('/api/profile')).status).toBe(401);
  const promoted = await server.login(ada.email);
  expect((await promoted.api.get('/api/users')).status).toBe(200);
  expect((await root.api.patch(path, { role: 'USER' })).status).toBe(200);
  expect((await promoted.api.get('/api/users')).status).toBe(401);
});

it('the owner can change the profile, except its role, e-mail and password', async () => {
  const ada = await server.registerUser();
  const patched = await ada.api.patch<User>('/api/profile', { username: 'ada.l', age: 36, hobbies: ['chess'] });
  expect(patched).toMatchObject({ status: 200, body: { name: 'Ada', username: 'ada.l', age: 36, hobbies: ['chess'] } });
  const put = await ada.api.put<User>('/api/profile', { name: 'Ada Lovelace' }, { headers: { 'if-match': '"2"' } });
  expect(put.body).toEqual({ ...patched.body, name: 'Ada Lovelace', version: 3, updatedAt: put.body.updatedAt });
  expect((await ada.api.get<User>('/api/profile')).body).toEqual(put.body);
  expect((await ada.api.put('/api/profile', { age: 37 }, { headers: { 'if-match': '"2"' } })).status).toBe(412);
  for (const forbidden of [{ role: 'ADMIN' }, { email: 'x@example.com' }, { password: PASSWORD }, { id: '1' }])
    expect((await ada.api.patch('/api/profile', forbidden)).status).toBe(400);
});

describe('an e-mail address', () => {
  const register = (email: string) => server.api.post('/api/auth/register', { email, password: PASSWORD, name: 'Ada' });

  it('with an international domain is one account in every spelling, stored in ASCII', async () => {
    const opened = await server.api.post<Tokens>('/api/auth/register', {
      ...{ email: 'Ada@MÜLLER-idn.de', password: PASSWORD, name: 'Ada' },
    });
    expect([opened.status, opened.body.user.email]).toEqual([201, 'ada@xn--mller-idn-q9a.de']);
    for (const email of [
      'ada@müller-idn.de',
      'ADA@xn--mller-idn-q9a.de',
      'ada@mu\u0308ller-idn.de',
      'ada@müller-idn。de',
    ]) {
      expect(await register(email)).toMatchObject({ status: 409, body: { code: 'USER_EMAIL_TAKEN' } });
      expect((await server.login(email)).user.id).toBe(opened.body.user.id);
    }
  });

  it.each([
    ['ada@xn--a.de', 'isEmail'],
    [`ada@${'ü'.repeat(64)}.de`, 'isEmail'],
    ['ad\u200ba@example.com', 'hasNoHidden'],
    ['ada@exam\u00adple.com', 'hasNoHidden'],
    ['\u202emoc.elpmaxe@ada', 'hasNoHidden'],
    ['ad\u2800a@example.com', 'hasNoHidden'],
    ['ad\u3000a@example.com', 'hasNoBlanks'],
    ['ﬁona@example.com', 'isPlainForm'],
  ])('%j is refused by the rule %s', async (email, rule) => {
    const { status, body } = await register(email);
    expect([status, body.errors?.map((error) => error.rule)]).toEqual([400, [rule]]);
  });
});

it('an account with names older than the look-alike rules can still be read, logged in to and changed', async () => {
  const bob = await server.registerUser('Bob');
  const [email, username] = ['ｂｏ\u2800b\u3000ﬁ@example.com', 'ｂｏｂ \u2800  x'];
  await server.sql('UPDATE users SET email = $1, username = $2 WHERE uuid = $3', email, username, bob.user.id);
  const again = await server.login(email);
  expect(again.user).toMatchObject({ id: bob.user.id, email, username });
  expect((await again.api.patch('/api/profile', { name: 'Robert' })).body).toMatchObject({ name: 'Robert', username });
  const { status, body } = await again.api.patch<Problem>('/api/profile', { username });
  expect([status, body.errors?.map(({ field, rule }) => [field, rule])]).toEqual([400, [['username', 'hasNoHidden']]]);
});

describe('a commonly guessed password is refused with the name of the rule', () => {
  const weak: Array<[string, string]> = [
    ['Password123!', 'isNotCommon'],
    ['aaaaaaaa', 'isNotRepetitive'],
    [' '.repeat(10), 'isNotBlank'],
    ['Ada Lovelace', 'isNotPersonal'],
  ];
  const ruleOf = ({ status, body }: Answer<unknown>): unknown[] => {
    const { code, errors = [] } = body as Problem;
    return [status, code, ...errors.flatMap(({ field, rule }) => [field, rule])];
  };
  const refused = (field: string, rule: string): unknown[] => [400, 'VALIDATION_FAILED', field, rule];

  it('at registration, whether or not the e-mail is taken', async () => {
    const taken = await server.registerUser();
    for (const [password, rule] of weak)
      for (const email of ['weak@example.com', taken.email]) {
        const answer = await server.api.post('/api/auth/register', { email, name: 'Ada Lovelace', password });
        expect(ruleOf(answer)).toEqual(refused('password', rule));
      }
    expect(await server.sql(`SELECT FROM users WHERE email = 'weak@example.com'`)).toEqual([]);
  });

  it('at a password change, before the current password is verified; the unchanged current password too', async () => {
    const ada = await server.registerUser('Ada Lovelace'.replace(' ', '.'));
    const change = (newPassword: string, currentPassword = PASSWORD) =>
      ada.api.post('/api/auth/password', { currentPassword, newPassword });
    for (const [password, rule] of weak)
      for (const current of [PASSWORD, 'not the current one'])
        expect(ruleOf(await change(password, current))).toEqual(refused('newPassword', rule));
    expect(ruleOf(await change(PASSWORD))).toEqual(refused('newPassword', 'isNotCurrent'));
    expect(ruleOf(await change(ada.email))).toEqual(refused('newPassword', 'isNotPersonal'));
    expect((await server.login(ada.email)).user.id).toBe(ada.user.id);
  });

  it('when an administrator sets it', async () => {
    const root = await server.makeAdmin();
    const user = await root.api.post<User>('/api/users', { email: 'given@example.com', name: 'Ada Lovelace' });
    for (const [password, rule] of weak) {
      const created = await root.api.post('/api/users', { username: `weak-${rule}`, name: 'Ada Lovelace', password });
      expect(ruleOf(created)).toEqual(refused('password', rule));
      const reset = await root.api.patch(`/api/users/${user.body.id}`, { password });
      expect(ruleOf(reset)).toEqual(refused('password', rule));
    }
    const renamed = { username: 'countess', password: 'Countess1815' };
    expect(ruleOf(await root.api.patch(`/api/users/${user.body.id}`, renamed))).toEqual(
      refused('password', 'isNotPersonal'),
    );
    expect((await root.api.patch(`/api/users/${user.body.id}`, { password: 'four words of hers' })).status).toBe(200);
    await server.login('given@example.com', 'four words of hers');
  });
});

it('a password is the same in both Unicode normal forms, even if it was stored as typed', async () => {
  const [composed, decomposed] = ['caf\u00e9 au lait, Zo\u00eb', 'cafe\u0301 au lait, Zoe\u0308'];
  const values = { email: 'forms@example.com', name: 'Forms', password: decomposed };
  expect((await server.api.post('/api/auth/register', values)).status).toBe(201);
  await server.login(values.email, composed);
  await server.login(values.email, decomposed);
  const typed = await argon2Hash(decomposed, { memoryCost: 19_456, timeCost: 2, parallelism: 1 });
  await server.sql('UPDATE users SET password_hash = $1 WHERE email = $2', typed, values.email);
  await server.login(values.email, decomposed); // stores it in its normal form
  await server.login(values.email, composed);
});
