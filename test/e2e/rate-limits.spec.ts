// Checks rate limits: headers on every response, counted by user or address, refused with a time to wait.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { RefreshTokens } from '../../src/shared/security/refresh-tokens.js';
import type { Answer, Page, Problem, Task } from '../support/http/api.js';
import { OwnRedis } from '../support/engines/own-redis.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { REDIS_SERVER } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const ENFORCED = { RATE_LIMIT_MODE: 'enforce', TRUST_PROXY: '127.0.0.1/32' };
/** Registrations are not limited in these tests. */
const OPEN_DOOR = { AUTH_RATE_LIMIT_BURST: '999/10', AUTH_RATE_LIMIT_SUSTAINED: '999/60' };
const NOBODY = { email: 'nobody@example.com', password: 'wrong password' };

let server: TestServer;
const start = (env: Record<string, string>) => beforeAll(async () => void (server = await startServer(env)));
const stop = () => afterAll(() => server.close());

/** Returns r and t of both tiers. */
function leftOf({ headers }: Answer<unknown>): { burst: number; sustained: number; times: number[] } {
  const fields = /^"burst";r=(\d+);t=(\d+), "sustained";r=(\d+);t=(\d+)$/.exec(headers.get('ratelimit') ?? '');
  if (!fields) throw new Error(`RateLimit: ${headers.get('ratelimit')}`);
  const [burst, burstTime, sustained, sustainedTime] = fields.slice(1).map(Number) as [number, number, number, number];
  return { burst, sustained, times: [burstTime, sustainedTime] };
}

async function statuses(times: number, ask: () => Promise<Answer<unknown>>): Promise<number[]> {
  const found: number[] = [];
  for (let at = 0; at < times; at++) found.push((await ask()).status);
  return found;
}

const from = (address: string) => ({ headers: { 'x-forwarded-for': address } });
const namesOf = ({ headers }: Answer<unknown>) => [...headers.keys()].filter((name) => name.startsWith('ratelimit'));

describe('with limits of 5 in 10 s and 8 in 60 s', () => {
  start({ ...ENFORCED, ...OPEN_DOOR, RATE_LIMIT_BURST: '5/10', RATE_LIMIT_SUSTAINED: '8/60' });
  stop();
  let ada: Person;
  beforeEach(async () => void (ada = await server.registerUser())); // with an unused limit

  it('every response has the limits and the remaining requests', async () => {
    const first = await ada.api.get('/api/profile');
    expect(first.headers.get('ratelimit-policy')).toBe('"burst";q=5;w=10, "sustained";q=8;w=60');
    expect(first.headers.get('ratelimit')).toBe('"burst";r=4;t=10, "sustained";r=7;t=60');
    const second = await ada.api.get('/api/tasks');
    expect(second.headers.get('ratelimit-policy')).toBe(first.headers.get('ratelimit-policy'));
    expect(leftOf(second)).toMatchObject({ burst: 3, sustained: 6 });
    server.advanceClock(4_000);
    const [burst, sustained] = leftOf(await ada.api.get('/api/tasks')).times as [number, number];
    expect(burst).toBeGreaterThanOrEqual(3);
    expect(burst).toBeLessThanOrEqual(7);
    expect(sustained).toBeGreaterThanOrEqual(53);
    expect(sustained).toBeLessThanOrEqual(57);
  });

  it('responses with 304, 400, 403, 404 and 412 have them too', async () => {
    const created = await ada.api.post<Task>('/api/tasks', { title: 'Kept' });
    const path = `/api/tasks/${created.body.id}`;
    const answers = [
      await ada.api.get(path, { headers: { 'if-none-match': '"1"' } }),
      await ada.api.post('/api/tasks', { title: 7 }),
      await ada.api.get('/api/users'),
      await ada.api.patch(path, { title: 'Late' }, { headers: { 'if-match': '"9"' } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([304, 400, 403, 412]);
    expect(answers.map((answer) => leftOf(answer).burst)).toEqual([3, 2, 1, 0]);
    server.advanceClock(10_200);
    const missing = await ada.api.get('/api/tasks/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11');
    expect([missing.status, leftOf(missing).burst, leftOf(missing).sustained]).toEqual([404, 4, 2]);
  });

  it('a response with 500 has them too', async () => {
    await server.sql('ALTER TABLE tasks RENAME COLUMN title TO renamed');
    const answer = await ada.api.post('/api/tasks', { title: 'Lost' });
    await server.sql('ALTER TABLE tasks RENAME COLUMN renamed TO title');
    expect([answer.status, leftOf(answer).burst]).toEqual([500, 4]);
  });

  it('the sixth request at once gets 429 with all details for the caller, and costs nothing', async () => {
    expect(await statuses(5, () => ada.api.get('/api/tasks'))).toEqual([200, 200, 200, 200, 200]);
    for (let again = 0; again < 3; again++) {
      const { status, headers, body } = await ada.api.get('/api/tasks?limit=1');
      expect(status).toBe(429);
      expect(headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
      expect(Number(headers.get('retry-after'))).toBeGreaterThanOrEqual(6);
      expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(11);
      expect(headers.get('ratelimit-policy')).toBe('"burst";q=5;w=10, "sustained";q=8;w=60');
      expect(headers.get('ratelimit')).toMatch(/^"burst";r=0;t=([6-9]|10), "sustained";r=3;t=(5[6-9]|60)$/);
      expect(body).toMatchObject({
        type: '/problems/RATE_LIMITED',
        title: 'Too Many Requests',
        status: 429,
        code: 'RATE_LIMITED',
        detail: 'The burst limit of 5 in 10 s is used up.',
        requestId: headers.get('x-request-id'),
        additionalInfo: { route: '/api/tasks', method: 'GET', ip: '127.0.0.1', user: ada.user.id },
      });
    }
  });

  it('a caller that waits for Retry-After is accepted again, until the longer limit is used up', async () => {
    await statuses(5, () => ada.api.get('/api/tasks'));
    const refused = await ada.api.get('/api/tasks');
    server.advanceClock(Number(refused.headers.get('retry-after')) * 1000);
    expect((await ada.api.get('/api/tasks')).status).toBe(200);
    server.advanceClock(1_000); // the other requests were a little later
    expect(await statuses(2, () => ada.api.get('/api/tasks'))).toEqual([200, 200]);
    const { status, headers, body } = await ada.api.get('/api/tasks');
    expect([status, body.detail]).toEqual([429, 'The sustained limit of 8 in 60 s is used up.']);
    expect(headers.get('ratelimit')).toMatch(/^"burst";r=2;t=\d+, "sustained";r=0;t=(4[4-9]|50)$/);
    const wait = Number(headers.get('retry-after'));
    expect(wait).toBeGreaterThanOrEqual(44);
    expect(wait).toBeLessThanOrEqual(50);
    server.advanceClock(wait * 1000);
    expect((await ada.api.get('/api/tasks')).status).toBe(200);
  });

  it('users behind one address have separate counts; one user at two addresses and under both paths has one', async () => {
    const bob = await server.registerUser('Bob');
    const asked = [
      await ada.api.get('/api/tasks', from('192.0.2.1')),
      await ada.api.get('/api/v1/tasks', from('192.0.2.2')),
      await bob.api.get('/api/tasks', from('192.0.2.1')),
      await ada.api.get('/api/v1/profile', from('192.0.2.1')),
    ];
    expect(asked.map((answer) => leftOf(answer).burst)).toEqual([4, 3, 4, 2]);
  });

  it('an unauthenticated request counts by address, and many bad tokens get 429', async () => {
    const asStranger = (token: string | null, address = '192.0.2.10') =>
      server.api.get('/api/tasks', { token, ...from(address) });
    const first = await asStranger(null);
    expect([first.status, leftOf(first).burst]).toEqual([401, 4]);
    const second = await asStranger('bad.token.here');
    expect([second.status, leftOf(second).burst]).toEqual([401, 3]);
    expect(second.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"');
    expect(await statuses(3, () => asStranger(`${ada.accessToken}x`))).toEqual([401, 401, 401]);
    expect(await asStranger('bad.token.here')).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(await asStranger(null)).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect((await asStranger(null, '192.0.2.11')).status).toBe(401);
    const known = await asStranger(ada.accessToken); // a logged-in user is not limited by the strangers at the same address
    expect([known.status, leftOf(known).burst]).toEqual([200, 4]);
  });

  it.each<[string, number, Record<string, string>, string | undefined, string]>([
    ['a path without a route', 404, {}, '{"a":1}', '/api/nothing'],
    ['a body that is not JSON', 400, {}, '{"a"', '/api/tasks'],
    ['a body of another type', 415, { 'content-type': 'text/csv' }, 'a,b', '/api/tasks'],
    ['a body that is too large', 413, {}, `"${'x'.repeat(1_048_577)}"`, '/api/tasks'],
  ])('%s counts too, and later gets 429 unread', async (_what, status, headers, body, path) => {
    const address = `192.0.2.${status - 200}`;
    const ask = (as: Person | null) =>
      server.api.post(path, body, {
        token: as?.accessToken ?? null,
        headers: { 'content-type': 'application/json', ...headers, ...from(address).headers },
      });
    const known = await ask(ada);
    expect([known.status, leftOf(known).burst]).toEqual([status, 4]);
    expect(await statuses(5, () => ask(null))).toEqual(Array(5).fill(status));
    const refused = await ask(null);
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(leftOf(refused)).toMatchObject({ burst: 0 });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await statuses(4, () => ask(ada))).toEqual(Array(4).fill(status));
    expect((await ask(ada)).status).toBe(429);
  });

  it('a request of an ended session counts by address too', async () => {
    await ada.api.post('/api/auth/logout');
    const answer = await ada.api.get('/api/tasks', from('192.0.2.12'));
    expect([answer.status, leftOf(answer).burst]).toEqual([401, 4]);
    expect(leftOf(await server.api.get('/api/tasks', from('192.0.2.12'))).burst).toBe(3);
  });

  it.each(['/api/tasks', '/api/nothing'])(
    'a request of an ended session does not count for its user: GET %s',
    async (path) => {
      const other = await server.login(ada.email);
      await other.api.post('/api/auth/logout');
      const before = leftOf(await ada.api.get('/api/tasks')).burst;
      for (let count = 0; count < 4; count++) await other.api.get(path, from('192.0.2.13'));
      expect(leftOf(await ada.api.get('/api/tasks')).burst).toBe(before - 1);
    },
  );

  it.each([
    ['in one /64 share a count', '2001:db8:1:1::1', '2001:db8:1:1:ffff::2', 3],
    ['in two /64 networks do not share a count', '2001:db8:1:2::1', '2001:db8:1:3::1', 4],
    ['share a count with the IPv4 address that they map', '::ffff:192.0.2.20', '192.0.2.20', 3],
    ['share a count with the IPv4 address behind NAT64', '64:ff9b::192.0.2.22', '192.0.2.22', 3],
    ['of two IPv4 clients behind NAT64 do not share a count', '64:ff9b::192.0.2.23', '64:ff9b::192.0.2.24', 4],
    ['share a count at another port', '192.0.2.21:1024', '192.0.2.21:1025', 3],
    ['share a count at another port, IPv6', '[2001:db8:1:4::1]:1024', '[2001:db8:1:4::1]:1025', 3],
  ])('addresses %s', async (_how, one, other, left) => {
    expect(leftOf(await server.api.get('/api/tasks', from(one))).burst).toBe(4);
    expect(leftOf(await server.api.get('/api/tasks', from(other))).burst).toBe(left);
  });

  it('a route that costs more than the limit uses all of it', async () => {
    const bulk = () => ada.api.post('/api/tasks/bulk', { tasks: [{ title: 'One' }] });
    expect(leftOf(await bulk())).toMatchObject({ burst: 0, sustained: 0 });
    expect((await bulk()).status).toBe(429);
    expect((await ada.api.get<Page<Task>>('/api/tasks')).status).toBe(429);
  });
});

describe('with the default limits', () => {
  start({ ...ENFORCED, CORS_ORIGINS: 'https://app.example.com', REFRESH_GRACE: '60' });
  stop();
  let tried = 0;
  /** Logs in to a new account each time, since wrong passwords for one account have a limit of their own. */
  const login = (address: string) =>
    server.api.post('/api/auth/login', { ...NOBODY, email: `nobody.${++tried}@example.com` }, from(address));

  it('an address may log in 5 times in 10 s and 10 times in a minute', async () => {
    const first = await login('192.0.2.1');
    expect(first.headers.get('ratelimit-policy')).toBe('"burst";q=5;w=10, "sustained";q=10;w=60');
    expect(first.headers.get('ratelimit')).toBe('"burst";r=4;t=10, "sustained";r=9;t=60');
    expect(await statuses(5, () => login('192.0.2.1'))).toEqual([401, 401, 401, 401, 429]);
    expect((await login('192.0.2.2')).status).toBe(401);
    server.advanceClock(10_200);
    expect(await statuses(5, () => login('192.0.2.1'))).toEqual([401, 401, 401, 401, 401]);
    server.advanceClock(10_200);
    const { status, headers, body } = await login('192.0.2.1');
    expect([status, body.code, body.detail]).toEqual([
      429,
      'RATE_LIMITED',
      'The sustained limit of 10 in 60 s is used up.',
    ]);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(30);
    expect(Number(headers.get('retry-after'))).toBeLessThanOrEqual(41);
  });

  it('register, login, refresh with a bad token and password change have separate counts', async () => {
    const post = (path: string, body: unknown, token: string | null = null) =>
      server.api.post(`/api/auth/${path}`, body, { token, ...from('192.0.2.30') });
    const account = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };
    const registered = await post('register', account);
    const { accessToken } = registered.body as unknown as { accessToken: string };
    const answers = [
      registered,
      await post('login', { email: account.email, password: account.password }),
      await post('refresh', { refreshToken: 'none' }),
      await post('password', { currentPassword: 'wrong', newPassword: account.password }, accessToken),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 401, 401]);
    expect(answers.map((answer) => leftOf(answer).burst)).toEqual([4, 4, 4, 4]);
    const bulk = { tasks: [{ title: 'One' }, { title: 'Two' }] };
    const others = [
      await server.api.get('/api/tasks', from('192.0.2.30')),
      await server.api.get('/api/auth/sessions', { token: accessToken, ...from('192.0.2.30') }),
      await server.api.post('/api/tasks/bulk', bulk, { token: accessToken, ...from('192.0.2.30') }),
    ];
    expect(others.map((answer) => [answer.status, leftOf(answer).burst, leftOf(answer).sustained])).toEqual([
      [401, 298, 1198], // the refresh counted here too, before its token was read
      [200, 299, 1199],
      [201, 259, 1159], // a bulk request costs 40
    ]);
  });

  it('200 sessions behind one address can refresh at once, and an address that guesses tokens is refused', async () => {
    const office = from('192.0.2.77');
    const salt = 's'.repeat(43);
    const { user } = await server.registerUser();
    const sessions = await server.sql<{ uuid: string }>(
      `INSERT INTO sessions (id, uuid, user_id, salt, rotated_at, expires_at, deleted_at)
       SELECT n, gen_random_uuid(), (SELECT id FROM users WHERE uuid = $2), $1, now(), now() + interval '20 days',
         CASE WHEN n > 200 THEN now() END
       FROM generate_series(1, 212) n RETURNING uuid`,
      salt,
      user.id,
    );
    const tokens = sessions.map(({ uuid }) => server.app.get(RefreshTokens).make(uuid, 1, salt));
    const refresh = (refreshToken: string) => server.api.post('/api/auth/refresh', { refreshToken }, office);
    const [first = ''] = tokens;
    const bent = first.slice(0, -2) + (first.endsWith('AA') ? 'BB' : 'AA');
    expect(await statuses(6, () => refresh(bent))).toEqual([401, 401, 401, 401, 401, 429]);
    const answers = await Promise.all(tokens.map(refresh));
    const ended = answers.slice(200); // a user with an ended session has to log in again, and does not count as an attacker
    expect(new Set(answers.slice(0, 200).map(({ status }) => status))).toEqual(new Set([200]));
    expect(new Set(ended.map(({ status }) => status))).toEqual(new Set([401]));
    expect((await refresh(first)).status).toBe(200); // a second tab
  });

  it('a password change counts for its session, at any address', async () => {
    const [ada, bob] = [await server.registerUser('Ada'), await server.registerUser('Bob')];
    const guess = ({ api }: Person, address: string) =>
      api.post('/api/auth/password', { currentPassword: 'wrong', newPassword: 'a new battery staple' }, from(address));
    let at = 0;
    expect(await statuses(6, () => guess(ada, `192.0.2.${100 + ++at}`))).toEqual([401, 401, 401, 401, 401, 429]);
    expect((await guess(bob, '192.0.2.101')).status).toBe(401);
  });

  it('probes and the pages of single problems are not limited and have no limit headers', async () => {
    for (const path of ['/health', '/health/live', '/health/ready', '/health/startup', '/ping', '/problems/CONFLICT']) {
      const found = await Promise.all(Array.from({ length: 50 }, () => server.api.get(path)));
      expect([path, [...new Set(found.map(({ status }) => status))], namesOf(found[0] as Answer<Problem>)]).toEqual([
        path,
        [200],
        [],
      ]);
    }
    expect(await Promise.all(Array.from({ length: 400 }, async () => (await server.api.get('/ping')).status))).toEqual(
      Array.from({ length: 400 }, () => 200),
    );
  });

  it('a browser app of an allowed origin may read the limit headers', async () => {
    const { headers } = await server.api.get('/api/tasks', { headers: { origin: 'https://app.example.com' } });
    const exposed = headers.get('access-control-expose-headers')?.split(/, */);
    expect(exposed).toEqual(expect.arrayContaining(['RateLimit', 'RateLimit-Policy', 'Retry-After']));
  });
});

describe('without a trusted proxy', () => {
  start({ RATE_LIMIT_MODE: 'enforce' });
  stop();

  it('X-Forwarded-For does not give a second count', async () => {
    let address = 0;
    const asked = () => server.api.post('/api/auth/login', NOBODY, from(`192.0.2.${++address}`));
    expect(await statuses(6, asked)).toEqual([401, 401, 401, 401, 401, 429]);
  });
});

describe('rate limits in a dry run', () => {
  start({ RATE_LIMIT_MODE: 'dry-run', RATE_LIMIT_BURST: '3/10', AUTH_RATE_LIMIT_BURST: '2/10' });
  stop();
  const warnings = () =>
    server.log
      .map((line) => JSON.parse(line) as { level: string; msg: string; caller?: string; tier?: string })
      .filter(({ level }) => level === 'warn');

  it('refuse nothing, log what they would refuse with its caller, and send the headers', async () => {
    const { api, user } = await server.registerUser();
    expect(await statuses(3, () => api.get('/api/tasks'))).toEqual([200, 200, 200]);
    expect(warnings()).toEqual([]);
    const over = [await api.get('/api/tasks'), await api.get('/api/tasks')];
    expect(over.map(({ status, headers }) => [status, headers.get('retry-after')])).toEqual([
      [200, null],
      [200, null],
    ]);
    expect(leftOf(over[1] as Answer<unknown>)).toMatchObject({ burst: 0 });
    const line = { caller: `user:${user.id}`, tier: 'burst', msg: expect.stringContaining('RATE_LIMITED') };
    expect(warnings()).toEqual([line, line].map((expected) => expect.objectContaining(expected)));
    expect(await statuses(3, () => server.api.post('/api/auth/login', NOBODY))).toEqual([401, 401, 401]);
    expect(warnings().slice(2)).toEqual([expect.objectContaining({ caller: 'auth:login:127.0.0.1', tier: 'burst' })]);
  });
});

describe('rate limits switched off', () => {
  start({ RATE_LIMIT_MODE: 'off', RATE_LIMIT_BURST: '1/10', AUTH_RATE_LIMIT_BURST: '1/10' });
  stop();

  it('refuse, count and report nothing', async () => {
    const { api } = await server.registerUser();
    expect(await statuses(3, () => api.get('/api/tasks'))).toEqual([200, 200, 200]);
    const answer = await server.api.post('/api/auth/login', NOBODY);
    expect([answer.status, namesOf(answer)]).toEqual([401, []]);
  });
});

const withServer = REDIS_SERVER === undefined ? describe.skip : describe;
withServer('counted in Redis', () => {
  let redis: OwnRedis;
  beforeAll(async () => {
    redis = await OwnRedis.start();
    const rates = { RATE_LIMIT_BURST: '60/600', RATE_LIMIT_SUSTAINED: '60/600' };
    server = await startServer({ ...ENFORCED, ...OPEN_DOOR, ...rates, REDIS_URL: redis.url });
  });
  afterAll(async () => {
    await server.close();
    await redis.stop();
  });

  it('requests succeed and the limit holds when Redis is killed under load', async () => {
    const { api } = await server.registerUser();
    const found: number[] = [];
    let stopped = false;
    const load = Array.from({ length: 8 }, async () => {
      while (!stopped) found.push((await api.get('/api/tasks')).status);
    });
    await until(() => found.length > 30, 'a part of the quota to be used');
    await redis.kill();
    await until(() => found.length > 600, 'requests without Redis');
    stopped = true;
    await Promise.all(load);
    expect([...new Set(found)].sort()).toEqual([200, 429]);
    const passed = found.filter((status) => status === 200).length;
    expect(passed).toBeGreaterThanOrEqual(60);
    expect(passed).toBeLessThanOrEqual(120); // the count of Redis, and that of the process itself
    expect(found.slice(-200)).not.toContain(200);
  });
});

describe('with 100 requests in 60 s', () => {
  start({ ...ENFORCED, ...OPEN_DOOR, RATE_LIMIT_BURST: '100/10', RATE_LIMIT_SUSTAINED: '100/60' });
  stop();

  it('a page of long texts counts as several requests, at most as those that are left', async () => {
    const ada = await server.registerUser();
    const description = 'x'.repeat(10_000);
    for (let at = 0; at < 12; at++) await ada.api.post('/api/tasks', { title: `${at}`, description });
    const { burst } = leftOf(await ada.api.get('/api/profile'));
    const found = await statuses(burst, () => ada.api.get('/api/tasks'));
    const pages = found.indexOf(429); // 120 KB each: 1 for the request, 3 for the bytes beyond 32 KiB
    expect(pages).toBeGreaterThanOrEqual(Math.floor(burst / 4));
    expect(pages).toBeLessThanOrEqual(Math.ceil(burst / 4) + 1);
    expect(found.slice(0, pages)).toEqual(Array<number>(pages).fill(200));
  });
});
