// Checks security headers, CORS, trusted proxies and request ids.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem, Sessions, Tokens } from '../support/http/api.js';
import { send } from '../support/http/raw-http.js';
import { PASSWORD, startServer, type TestServer } from '../support/server/server.js';

const APP = 'https://app.example.com';

describe('with default settings', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(() => server.close());

  it.each(['/health/live', '/api/tasks', '/nowhere', '/problems', '/docs'])(
    'security headers are sent on %s',
    async (path) => {
      const { headers } = await send(server.port, { method: 'GET', path });
      expect(headers).toMatchObject({
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
        'x-frame-options': expect.stringMatching(/^(DENY|SAMEORIGIN)$/),
        'content-security-policy': expect.stringMatching(/default-src '(none|self)'/),
        'strict-transport-security': expect.stringContaining('max-age='),
      });
      expect(Object.keys(headers)).not.toContain('x-powered-by');
      expect(Object.keys(headers)).not.toContain('server');
    },
  );

  it('security headers allow no scripts in a data response, and only its own scripts in Swagger UI', async () => {
    const csp = async (path: string) => (await server.api.get(path)).headers.get('content-security-policy');
    expect(await csp('/problems')).toMatch(/default-src 'none'/);
    expect(await csp('/docs')).toMatch(/script-src 'self'(;|$)/);
  });

  it('without a list of origins, no browser page of another origin can read a response', async () => {
    const headers = { origin: APP, 'access-control-request-method': 'PATCH' };
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await send(server.port, { method, path: '/api/tasks', headers });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  it('X-Forwarded-For is ignored without a trusted proxy', async () => {
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-real-ip': '203.0.113.7', forwarded: 'for=203.0.113.7' };
    expect((await server.api.get('/api/tasks', { headers })).body.additionalInfo.ip).toBe('127.0.0.1');
  });

  it('X-Forwarded-For from an untrusted address is logged as a warning once an hour', async () => {
    const warnings = () => server.log.filter((line) => line.includes('TRUST_PROXY'));
    const forwarded = () => server.api.get('/health/live', { headers: { 'x-forwarded-for': '203.0.113.7' } });
    server.advanceClock(3_600_000); // other tests may have sent it in this hour
    const before = warnings().length;
    for (let i = 0; i < 5; i++) await forwarded();
    expect(warnings().length).toBe(before + 1);
    expect(warnings().at(-1)).toMatch(/"level":"warn".*"peer":"127\.0\.0\.1"/);
    server.advanceClock(3_600_000);
    await forwarded();
    expect(warnings().at(-1)).toContain('"skipped":4');
  });

  it.each(['a', 'A-b_c.9', 'x'.repeat(64)])('X-Request-Id %s is kept', async (id) => {
    const { headers, body } = await server.api.get('/api/tasks', { headers: { 'x-request-id': id } });
    expect([headers.get('x-request-id'), body.requestId]).toEqual([id, id]);
    expect(
      (await server.api.get('/health/live', { headers: { 'x-request-id': id } })).headers.get('x-request-id'),
    ).toBe(id);
  });

  it.each(['', 'x'.repeat(65), 'a b', 'a,b', 'ä', '{"a":1}', '<script>', 'a/b', 'a\tb'])(
    'X-Request-Id "%s" is replaced',
    async (id) => {
      const { headers, text } = await send(server.port, {
        method: 'GET',
        path: '/api/tasks',
        headers: { 'x-request-id': id },
      });
      expect(headers['x-request-id']).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/);
      expect((JSON.parse(text) as Problem).requestId).toBe(headers['x-request-id']);
    },
  );
});

describe('CORS with a list', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ CORS_ORIGINS: `${APP}, https://other.example.com` });
  });
  afterAll(() => server.close());
  const preflight = (origin: string, path = '/api/tasks/x') =>
    send(server.port, {
      method: 'OPTIONS',
      path,
      headers: {
        origin,
        'access-control-request-method': 'PATCH',
        'access-control-request-headers': 'authorization,if-match,content-type',
      },
    });

  it.each([APP, 'https://other.example.com'])(
    'the listed origin %s gets the headers, on errors too',
    async (origin) => {
      for (const path of ['/health/live', '/api/tasks', '/nowhere']) {
        const { headers } = await server.api.get(path, { headers: { origin } });
        expect(headers.get('access-control-allow-origin')).toBe(origin);
        expect(headers.get('access-control-allow-credentials')).toBe('true');
        expect(headers.get('access-control-expose-headers')).toMatch(/ETag.*Link.*X-Request-Id/);
        expect(headers.get('vary')).toMatch(/Origin/i);
      }
    },
  );

  it('an allowed origin may PATCH with a token and If-Match after its preflight', async () => {
    const { status, headers } = await preflight(APP);
    expect([status, headers['access-control-allow-origin']]).toEqual([204, APP]);
    for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
      expect(headers['access-control-allow-methods']).toContain(method);
    for (const header of ['authorization', 'if-match', 'content-type'])
      expect(headers['access-control-allow-headers']).toMatch(new RegExp(header, 'i'));
    expect(headers['x-request-id']).toBeTruthy();
  });

  it.each([
    'https://evil.example.com',
    `${APP}.evil.com`,
    'http://app.example.com',
    `${APP}:8443`,
    'https://APP.example.com',
    'null',
    'https://app.example.com/',
  ])('the unlisted origin %s gets no CORS headers', async (origin) => {
    const answers = [
      await preflight(origin),
      await send(server.port, { method: 'GET', path: '/api/tasks', headers: { origin } }),
    ];
    for (const { headers } of answers) expect(headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('behind a trusted proxy', () => {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer({ TRUST_PROXY: '127.0.0.1/32, 10.0.0.0/8' });
  });
  afterAll(() => server.close());

  afterAll(() => expect(server.log.filter((line) => line.includes('TRUST_PROXY'))).toEqual([]));

  it.each([
    ['203.0.113.7', '203.0.113.7'],
    ['6.6.6.6, 203.0.113.7', '203.0.113.7'],
    ['203.0.113.7, 10.1.2.3', '203.0.113.7'],
    ['2001:db8::7', '2001:db8::7'],
    ['', '127.0.0.1'],
  ])('X-Forwarded-For "%s" gives the client address %s', async (header, ip) => {
    const { body } = await server.api.get('/api/tasks', { headers: { 'x-forwarded-for': header } });
    expect(body.additionalInfo.ip).toBe(ip);
  });

  it.each(['203.0.113.7', '203.0.113.7:54321', 'unknown', '_hidden', 'fe80::1%eth0', 'x'.repeat(1_000)])(
    'login works with any X-Forwarded-For value: %s',
    async (header) => {
      const { email } = await server.registerUser();
      const headers = { 'x-forwarded-for': header };
      const { status, body } = await server.api.post<Tokens>(
        '/api/auth/login',
        { email, password: PASSWORD },
        { headers },
      );
      expect(status).toBe(200);
      const { body: sessions } = await server.api.get<Sessions>('/api/auth/sessions', { token: body.accessToken });
      expect(sessions.items).toHaveLength(2);
    },
  );
});
