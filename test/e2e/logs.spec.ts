// Checks log lines: one for each request with its id, and no secrets in any of them, at the most verbose level.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Answer, cookieOf, type Tokens } from '../support/http/api.js';
import { send, sendBytes } from '../support/http/raw-http.js';
import { PASSWORD, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

interface Line {
  level: string;
  msg: string;
  requestId?: string;
  status?: number;
  route?: string;
  user?: string;
}

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ LOG_LEVEL: 'debug' });
});
afterAll(() => server.close());

const lines = (): Line[] => server.log.map((line) => JSON.parse(line) as Line);
const lineOf = (id: string) =>
  until(() => lines().find(({ requestId, msg }) => requestId === id && msg === 'request'), `the line of request ${id}`);

it('each request has one log line with its id, route pattern, status and user', async () => {
  const ada = await server.registerUser();
  const known: Array<[Answer<unknown>, Partial<Line>]> = [
    [
      await ada.api.get('/api/tasks/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11'),
      { status: 404, route: '/api/tasks/:id', user: ada.user.id },
    ],
    [await ada.api.get('/api/tasks?q=findme'), { status: 200, route: '/api/tasks', user: ada.user.id }],
    [await server.api.get('/api/tasks'), { status: 401, route: '/api/tasks' }],
    [await server.api.get('/no/such/route'), { status: 404, route: '(none)' }],
    [await server.api.post('/api/auth/login', '{"broken'), { status: 400, route: '/api/auth/login' }],
    [await server.api.get('/api/tasks', { headers: { 'x-request-id': 'my-own-id' } }), { requestId: 'my-own-id' }],
  ];
  for (const [answer, expected] of known) {
    const id = answer.headers.get('x-request-id') as string;
    expect(await lineOf(id)).toMatchObject({ requestId: id, ...expected });
    expect(lines().filter(({ requestId, msg }) => requestId === id && msg === 'request')).toHaveLength(1);
  }
});

it('no log line of a complete session contains a password, a token, a cookie, or any part of a query', async () => {
  const secrets: string[] = [PASSWORD, 'another-battery-staple', 'wrong-password-typed'];
  const keep = <T extends Tokens>(tokens: T): T => {
    secrets.push(
      tokens.accessToken,
      tokens.refreshToken,
      tokens.accessToken.split('.')[2] as string,
      tokens.refreshToken.split('.')[3] as string,
    );
    return tokens;
  };
  const ada = keep(await server.registerUser('Ada'));
  const login = await server.api.post<Tokens>('/api/auth/login', { email: ada.email, password: PASSWORD });
  keep(login.body);
  const cookie = cookieOf(login);
  secrets.push(cookie, cookie.split('.').at(-1) as string);
  await server.api.post('/api/auth/login', { email: ada.email, password: 'wrong-password-typed' });
  await server.api.post('/api/auth/login', `{"email":"${ada.email}","password":"wrong-password-typed"`); // invalid JSON
  await server.api.post('/api/auth/login', {
    email: 'x',
    password: 'wrong-password-typed',
    extra: 'wrong-password-typed',
  });
  await server.api.post('/api/auth/login', 'wrong-password-typed', { headers: { 'content-type': 'text/plain' } });
  keep((await server.api.post<Tokens>('/api/auth/refresh', undefined, { headers: { cookie } })).body);
  keep((await server.api.post<Tokens>('/api/auth/refresh', { refreshToken: ada.refreshToken })).body);
  await server.api.get('/api/profile', { token: `${ada.accessToken}x` });
  await server.api.get(`/api/tasks?q=queried-secret-1&token=${ada.accessToken}`, { token: ada.accessToken });
  await server.api.get(`/nowhere?access_token=${ada.accessToken}&key=queried-secret-2`);
  await server.api.get(`/api/tasks/${ada.accessToken}`, { token: ada.accessToken });
  await send(server.port, { method: 'GET', path: '/api/%zz?key=queried-secret-3' });
  await sendBytes(
    server.port,
    `GET /api/tasks?key=queried-secret-4 HTTP/1.1\r\nHost: x\r\nAuthorization : Bearer ${ada.accessToken}\r\n\r\n`,
  );
  await server.api.get('/docs/openapi.json?key=queried-secret-5');
  const change = { currentPassword: PASSWORD, newPassword: 'another-battery-staple' };
  await server.api.post('/api/auth/password', change, { token: ada.accessToken });
  const last = await server.api.post('/api/auth/logout', undefined, { token: ada.accessToken });
  expect(last.status).toBe(204);
  await lineOf(last.headers.get('x-request-id') as string);
  secrets.push(...[1, 2, 3, 4, 5].map((i) => `queried-secret-${i}`), '$argon2id$');
  const log = server.log.join('');
  expect(secrets.filter((secret) => secret.length < 12)).toEqual(['$argon2id$']);
  expect(secrets.filter((secret) => log.includes(secret))).toEqual([]);
  expect(log).not.toMatch(/eyJ[\w-]+\.eyJ/);
  for (const line of lines()) if (line.msg === 'request') expect(line.requestId).toBeTruthy();
});

it('no log line contains the token of a signed link, whatever the result of its download', async () => {
  const ada = await server.registerUser();
  const form = ['--x', 'Content-Disposition: form-data; name="file"; filename="a.txt"', '', 'linked', '--x--', ''];
  const type = { headers: { 'content-type': 'multipart/form-data; boundary=x' } };
  const { body: file } = await ada.api.post<{ id: string }>('/api/files', form.join('\r\n'), type);
  const { body: link } = await ada.api.post<{ url: string }>(`/api/files/${file.id}/link`, {});
  const token = link.url.split('/').at(-1) as string;
  const bent = `${token.slice(0, -2)}${token.endsWith('AA') ? 'BB' : 'AA'}`;
  const ways: Array<[string, Record<string, string>, number]> = [
    [`/api/links/${token}`, {}, 200],
    [`/api/links/${token}`, { range: 'bytes=100-' }, 416],
    [`/api/links/${bent}`, {}, 404],
    [`/api/v1/links/${token}/`, {}, 404],
    [`/links/${token}`, {}, 404],
    [`/api/links/${token}%zz`, {}, 400],
    [`/api/links/${token}?x=1`, {}, 200],
  ];
  for (const [path, headers, status] of ways)
    expect([path, (await fetch(server.url + path, { headers })).status]).toEqual([path, status]);
  await ada.api.delete(`/api/files/${file.id}`);
  const last = await server.api.get(`/api/links/${token}`);
  expect([last.status, last.body.code]).toEqual([410, 'LINK_GONE']);
  await lineOf(last.headers.get('x-request-id') as string);
  const log = server.log.join('');
  expect(log).toContain('LINK_GONE on GET /api/links/:token');
  const [id, mac] = token.split('.') as [string, string];
  for (const secret of [mac, mac.slice(0, 20), bent.split('.')[1] as string, `/links/${id}`])
    expect(log).not.toContain(secret);
});

it('a server error shows no internals, and its requestId is in a log line without values', async () => {
  const ada = await server.registerUser();
  await server.sql('ALTER TABLE tasks RENAME COLUMN title TO renamed');
  try {
    const answer = await ada.api.post('/api/tasks', { title: 'A value of Ada', description: 'Another value' });
    expect(answer).toMatchObject({ status: 500, body: { code: 'INTERNAL_ERROR', title: 'Internal Server Error' } });
    expect(JSON.stringify(answer.body)).not.toMatch(/column|title"? of|insert|at .*\.ts|pg|typeorm/i);
    const line = await until(() => lines().find(({ level }) => level === 'error'), 'the line of the error');
    expect(line).toMatchObject({ requestId: answer.body.requestId, msg: 'INTERNAL_ERROR on POST /api/tasks' });
    expect(JSON.stringify(line)).toContain('column');
    expect(server.log.join('')).not.toMatch(/A value of Ada|Another value/);
  } finally {
    await server.sql('ALTER TABLE tasks RENAME COLUMN renamed TO title');
  }
});

it('requests that no rate limit counts cannot flood the log', async () => {
  const limited = await startServer({
    ...{ LOG_LEVEL: 'debug', RATE_LIMIT_MODE: 'enforce', TRUST_PROXY: '127.0.0.1/32' },
    ...{ RATE_LIMIT_BURST: '2/10', RATE_LIMIT_SUSTAINED: '2/60' },
  });
  try {
    const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
    const linesFrom = async (address: string, method: string, path: string): Promise<number> => {
      const startedAt = Date.now();
      const ids = new Set<string>();
      for (let count = 0; count < 60; count++) {
        const answer = await limited.api.request(method, path, undefined, from(address));
        ids.add(answer.headers.get('x-request-id') as string);
      }
      const last = await limited.api.get('/nowhere', from(address.replace('198', '203')));
      const lastId = last.headers.get('x-request-id') as string;
      await until(
        () => limited.log.some((line) => line.includes('"request"') && line.includes(lastId)),
        'the last line',
      );
      const written = limited.log.filter((line) => ids.has((JSON.parse(line) as Line).requestId ?? '')).length;
      return written / (Math.floor((Date.now() - startedAt) / 1_000) + 2); // a second may have begun before
    };
    const [refused, preflights, free] = [
      await linesFrom('198.51.100.1', 'GET', '/api/tasks'),
      await linesFrom('198.51.101.1', 'OPTIONS', '/api/tasks'),
      await linesFrom('198.51.102.1', 'GET', '/problems/RATE_LIMITED'),
    ];
    expect(refused).toBeLessThanOrEqual(12); // two lines each: five a second, and two requests that are counted
    expect(preflights).toBeLessThanOrEqual(5);
    expect(free).toBeLessThanOrEqual(5);
    expect(Math.min(refused, preflights, free)).toBeGreaterThan(0);
    const warning = limited.log.find((line) => line.includes('no rate limit counts'));
    expect(JSON.parse(warning as string)).toMatchObject({ level: 'warn', network: '198.51.100.0/24' });
  } finally {
    await limited.close();
  }
});
