// Checks refresh tokens: rotation, two tabs at once, theft, and the browser cookie.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Answer, cookieOf, type Options, type Tokens } from '../support/http/api.js';
import { mutations, seeded } from '../support/fuzz/random.js';
import { PASSWORD, type Person, startServer, type TestServer } from '../support/server/server.js';

const APP = 'https://app.example.com';
const HOUR = 3_600_000;

let server: TestServer;
beforeAll(async () => {
  server = await startServer({ CORS_ORIGINS: APP });
});
afterAll(() => server.close());

const refresh = (refreshToken: string): Promise<Answer<Tokens & { code?: string }>> =>
  server.api.post('/api/auth/refresh', { refreshToken });

/** Returns the successor of `refreshToken`, and the access token that was issued with it. */
async function successor(refreshToken: string): Promise<Tokens> {
  const { status, body } = await refresh(refreshToken);
  expect(status).toBe(200);
  return body;
}

async function expectDead(...tokens: Tokens[]): Promise<void> {
  for (const { accessToken, refreshToken } of tokens) {
    expect((await server.api.get('/api/profile', { token: accessToken })).status).toBe(401);
    expect(await refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_INVALID' } });
  }
}

const sessionsOf = ({ user }: Tokens) =>
  server.sql<{ generation: number; ended_by: string | null }>(
    'SELECT generation, ended_by FROM sessions WHERE user_id = (SELECT id FROM users WHERE uuid = $1)',
    user.id,
  );

describe('a refresh token', () => {
  it('is exchanged for a new pair, and both access tokens work', async () => {
    const ada = await server.registerUser();
    const next = await successor(ada.refreshToken);
    expect(next.refreshToken).not.toBe(ada.refreshToken);
    expect(next.user).toEqual(ada.user);
    for (const token of [ada.accessToken, next.accessToken])
      expect((await server.api.get('/api/profile', { token })).status).toBe(200);
  });

  it('used by fifty tabs at once returns the same successor to all of them, in one session', async () => {
    const ada = await server.registerUser();
    const all = await Promise.all(Array.from({ length: 50 }, () => refresh(ada.refreshToken)));
    expect(all.map(({ status }) => status)).toEqual(Array.from({ length: 50 }, () => 200));
    expect(new Set(all.map(({ body }) => body.refreshToken)).size).toBe(1);
    expect(await sessionsOf(ada)).toEqual([{ generation: 2, ended_by: null }]);
    for (const { body } of all.slice(0, 3))
      expect((await server.api.get('/api/profile', { token: body.accessToken })).status).toBe(200);
  });

  it('of two generations ago ends the session with its access and refresh tokens', async () => {
    const first = await server.registerUser();
    const elsewhere = await server.login(first.email);
    const second = await successor(first.refreshToken);
    const third = await successor(second.refreshToken);
    expect((await server.api.get('/api/profile', { token: third.accessToken })).status).toBe(200);
    expect(await refresh(first.refreshToken)).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_REUSED' } });
    await expectDead(first, second, third);
    const warned = server.log.filter((line) => line.includes('"AUTH_REFRESH_REUSED"'));
    expect(warned.at(-1)).toContain('"level":"warn"'); // theft is logged as a warning
    expect((await elsewhere.api.get('/api/profile')).status).toBe(200);
    expect((await sessionsOf(first)).map((session) => session.ended_by ?? 'alive').sort()).toEqual(['alive', 'reuse']);
  });

  it('of the previous generation ends the session too, after the grace period', async () => {
    const first = await server.registerUser();
    const second = await successor(first.refreshToken);
    server.advanceClock(9_000);
    expect((await successor(first.refreshToken)).refreshToken).toBe(second.refreshToken);
    server.advanceClock(1_500); // the grace period counts from the rotation, not from the last use
    expect(await refresh(first.refreshToken)).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_REUSED' } });
    await expectDead(first, second);
  });

  it('is refused after seven idle days, or thirty days after login', async () => {
    const idle = await server.registerUser();
    const busy = await server.registerUser();
    let { refreshToken } = busy;
    for (let day = 0; day < 29; day++) {
      server.advanceClock(24 * HOUR);
      ({ refreshToken } = await successor(refreshToken));
    }
    expect(await refresh(idle.refreshToken)).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_INVALID' } });
    server.advanceClock(25 * HOUR);
    expect(await refresh(refreshToken)).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_INVALID' } });
  });

  it('is refused in each of 400 mutations, which do not harm the session', async () => {
    const ada = await server.registerUser();
    const tokens = mutations(ada.refreshToken, 400, seeded(9700));
    const answers = await Promise.all(tokens.map(async (token) => [(await refresh(token)).status, token] as const));
    expect(answers.filter(([status]) => status !== 401 && status !== 400)).toEqual([]);
    expect((await refresh(ada.refreshToken)).status).toBe(200);
  });

  it.each(['01', '001', '000000001', '1e0', '0x1', '+1', '1.0', ' 1', '1 '])(
    'with the generation written as %j is not accepted as generation 1',
    async (generation) => {
      const { refreshToken } = await server.registerUser();
      const [rt, session, one, mac] = refreshToken.split('.');
      expect(one).toBe('1');
      const twin = [rt, session, generation, mac].join('.');
      expect(await refresh(twin)).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_INVALID' } });
      expect((await refresh(refreshToken)).status).toBe(200);
    },
  );

  it('never survives a logout that runs at the same time', async () => {
    for (let round = 0; round < 10; round++) {
      const ada = await server.registerUser();
      const [next, out] = await Promise.all([refresh(ada.refreshToken), ada.api.post('/api/auth/logout')]);
      expect(out.status).toBe(204);
      expect([200, 401]).toContain(next.status);
      await expectDead(next.status === 200 ? next.body : ada);
    }
  });
});

describe('the refresh cookie', () => {
  let cookie: string;
  let ada: Person;
  beforeAll(async () => {
    ada = await server.registerUser();
    const answer = await server.api.post('/api/auth/login', { email: ada.email, password: PASSWORD });
    cookie = cookieOf(answer).split('; ', 1)[0] as string; // the other cookie is that of the device
  });
  const refreshBy = (headers: Record<string, string>, body?: unknown, options: Options = {}) =>
    server.api.post<Tokens & { code?: string }>('/api/auth/refresh', body, { ...options, headers });

  it('is httpOnly, same-site, limited to the API path and signed', async () => {
    const answer = await server.api.post<Tokens>('/api/auth/login', { email: ada.email, password: PASSWORD });
    const [set = ''] = answer.headers.getSetCookie();
    const [pair = '', ...attributes] = set.split('; ');
    expect(attributes.sort()).toEqual(['HttpOnly', 'Max-Age=2592000', 'Path=/api', 'SameSite=Strict'].sort());
    expect(pair).toMatch(/^refresh_token=rt\./);
    expect(pair.length).toBeGreaterThan(`refresh_token=${answer.body.refreshToken}`.length + 40);
  });

  it('refreshes the session without a body, and is replaced', async () => {
    const answer = await refreshBy({ cookie });
    expect(answer.status).toBe(200);
    expect(cookieOf(answer)).toContain(answer.body.refreshToken);
    cookie = cookieOf(answer);
    expect((await refreshBy({ cookie: `other=1; ${cookie}; theme=dark` }, {})).status).toBe(200);
  });

  it.each<[string, () => Record<string, string>]>([
    ["the server's own origin", () => ({ origin: server.url })],
    ['an allow-listed origin', () => ({ origin: APP, 'sec-fetch-site': 'cross-site' })],
    ['its own site', () => ({ 'sec-fetch-site': 'same-origin' })],
    ['the address bar', () => ({ 'sec-fetch-site': 'none' })],
  ])('is accepted from %s', async (_from, headers) => {
    const answer = await refreshBy({ cookie, ...headers() });
    expect(answer.status).toBe(200);
    cookie = cookieOf(answer);
  });

  it.each<[string, Record<string, string>]>([
    ['a foreign origin', { origin: 'https://evil.example.com' }],
    ['an origin that begins like an allowed one', { origin: `${APP}.evil.example.com` }],
    ['the allowed host over http', { origin: APP.replace('https', 'http') }],
    ['the origin "null"', { origin: 'null' }],
    ['another site', { 'sec-fetch-site': 'cross-site' }],
    ['another host of the same site', { 'sec-fetch-site': 'same-site' }],
  ])('is refused from %s, and a token in the body is accepted', async (_from, headers) => {
    expect(await refreshBy({ cookie, ...headers })).toMatchObject({ status: 403, body: { code: 'AUTH_CROSS_SITE' } });
    const { refreshToken } = await server.login(ada.email);
    expect((await refreshBy(headers, { refreshToken })).status).toBe(200);
  });

  it('is refused when it is changed, unsigned or missing', async () => {
    const [name, value = ''] = cookie.split('=', 2);
    const bent = mutations(decodeURIComponent(value), 200, seeded(6265)).map(
      (text) => `${name}=${encodeURIComponent(text)}`,
    );
    const { refreshToken } = await server.login(ada.email);
    for (const header of [...bent, `${name}=${refreshToken}`, `${name}=`, '', 'refresh_token', ';;=;'])
      expect([header, (await refreshBy({ cookie: header })).status]).toEqual([header, 401]);
    expect((await refreshBy({ cookie })).status).toBe(200);
  });
});

it('without a grace period, the previous token ends the session immediately', async () => {
  const strict = await startServer({ REFRESH_GRACE: '0' });
  try {
    const { refreshToken } = await strict.registerUser();
    const trade = () => strict.api.post('/api/auth/refresh', { refreshToken });
    expect((await trade()).status).toBe(200);
    strict.advanceClock(1);
    expect(await trade()).toMatchObject({ status: 401, body: { code: 'AUTH_REFRESH_REUSED' } });
  } finally {
    await strict.close();
  }
});
