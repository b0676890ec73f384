// Checks the headers that every response has, even to a malformed request, and that no response repeats a foreign host.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type RawAnswer, send, sendBytes } from '../support/http/raw-http.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(60_000);

const APP = 'https://app.example.com';
let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer({ CORS_ORIGINS: APP, BODY_LIMIT: '2048', BODY_TIMEOUT: '300', TRUST_PROXY: '10.0.0.0/8' });
  ada = await server.registerUser();
});
afterAll(() => server.close());

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'x-frame-options': 'DENY',
  'content-security-policy': "default-src 'none';frame-ancestors 'none'",
  'strict-transport-security': expect.stringContaining('max-age='),
};
const CORS = {
  'access-control-allow-origin': APP,
  'access-control-allow-credentials': 'true',
  'access-control-expose-headers': expect.stringContaining('X-Request-Id'),
};

function expectAllHeaders({ headers }: RawAnswer): void {
  expect(headers).toMatchObject({
    ...SECURITY,
    ...CORS,
    'x-request-id': expect.stringMatching(/./),
    date: expect.any(String),
  });
  expect(fieldsOf(headers['vary'])).toEqual(expect.arrayContaining(['authorization', 'origin']));
}

const fieldsOf = (vary = ''): string[] => vary.toLowerCase().split(/,\s*/);
const head = (line: string, ...lines: string[]): string =>
  [line, 'Host: localhost', `Origin: ${APP}`, ...lines, '', ''].join('\r\n');
const JSON_TYPE = 'Content-Type: application/json';

describe('a response', () => {
  it.each<[number, string, () => Record<string, string>]>([
    [200, 'GET /health/live', () => ({})],
    [200, 'GET /problems', () => ({})],
    [200, 'GET /api/tasks', () => ({ authorization: `Bearer ${ada.accessToken}` })],
    [204, 'OPTIONS /api/tasks', () => ({})],
    [401, 'GET /api/tasks', () => ({})],
    [403, 'GET /api/users', () => ({ authorization: `Bearer ${ada.accessToken}` })],
    [404, 'GET /nowhere', () => ({})],
    [405, 'PUT /api/tasks', () => ({})],
  ])('with status %i has the security and CORS headers, an id and a date', async (status, line, headers) => {
    const [method = '', path = ''] = line.split(' ');
    const answer = await send(server.port, { method, path, headers: { origin: APP, ...headers() } });
    expect(answer.status).toBe(status);
    expectAllHeaders(answer);
  });

  it.each<[string, number, string]>([
    ['a malformed path', 400, head('GET /api/%zz HTTP/1.1')],
    ['a malformed path and a body', 400, `${head('POST /api/%zz HTTP/1.1', JSON_TYPE, 'Content-Length: 2')}{}`],
    ['a path parameter too long', 414, head(`GET /api/tasks/${'x'.repeat(129)} HTTP/1.1`)],
    ['an absolute-form target', 400, head('GET http://evil.example/api/tasks HTTP/1.1')],
    ['two Host headers', 400, head('GET /api/tasks HTTP/1.1', 'Host: evil.example')],
    ['no Host header', 400, `GET /api/tasks HTTP/1.1\r\nOrigin: ${APP}\r\n\r\n`],
    ['a malformed header', 400, head('GET /api/tasks HTTP/1.1', 'X-Any: a\0b')],
    ['too many headers', 431, head('GET /api/tasks HTTP/1.1', `Cookie: ${'x'.repeat(20_480)}`)],
    ['a malformed Content-Length', 400, head('POST /api/tasks HTTP/1.1', 'Content-Length: -1')],
    ['unreadable JSON', 400, `${head('POST /api/auth/login HTTP/1.1', JSON_TYPE, 'Content-Length: 1')}{`],
    ['a body too large', 413, head('POST /api/auth/login HTTP/1.1', JSON_TYPE, 'Content-Length: 9999')],
    ['a body of a wrong type', 415, head('POST /api/auth/login HTTP/1.1', 'Content-Type: a/b', 'Content-Length: 9')],
    ['a body that never arrives', 408, head('POST /api/auth/login HTTP/1.1', JSON_TYPE, 'Content-Length: 9')],
  ])('to a request with %s has these headers too: %i', async (_what, status, bytes) => {
    const answer = (await sendBytes(server.port, bytes)) as RawAnswer;
    expect([answer.status, answer.headers['content-type']]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
    expectAllHeaders(answer);
  });

  it('to a malformed request from another origin has no CORS headers', async () => {
    const bytes = head('GET /api/tasks HTTP/1.1', 'X-Any: a\0b').replace(APP, 'https://evil.example');
    const { headers } = (await sendBytes(server.port, bytes)) as RawAnswer;
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('to a malformed path contains the path as it was sent, without its query, and gets a log line', async () => {
    const answer = await server.api.get('/api/%zz?token=s3same', { headers: { 'x-request-id': 'malformed-1' } });
    expect(answer.body).toMatchObject({ code: 'BAD_REQUEST', additionalInfo: { route: '/api/%zz', method: 'GET' } });
    const lines = server.log.filter((line) => line.includes('malformed-1'));
    expect(lines.some((line) => line.includes('"status":400'))).toBe(true);
    expect(lines.join()).not.toContain('s3same');
  });
});

describe('a response', () => {
  const EVIL = 'evil.example';
  /** Sends a request with foreign Host and forwarding headers. */
  const ask = (method: string, path: string, body?: string, headers: Record<string, string> = {}) =>
    send(server.port, {
      method,
      path,
      ...(body !== undefined && { body }),
      headers: {
        host: EVIL,
        'x-forwarded-host': EVIL,
        'x-forwarded-proto': 'https',
        forwarded: `host=${EVIL};proto=https`,
        authorization: `Bearer ${ada.accessToken}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
    });

  it('never contains the host of the request, in links, locations, problems or documents', async () => {
    for (const title of ['One', 'Two']) await ada.api.post('/api/tasks', { title });
    const created = await ask('POST', '/api/tasks', '{"title":"Three"}');
    const tus = { 'tus-resumable': '1.0.0', 'upload-length': '5' };
    const upload = await ask('POST', '/api/uploads', undefined, tus);
    const page = await ask('GET', '/api/tasks?limit=1');
    const file = await uploadFile();
    const link = await ask('POST', `/api/files/${file}/link`, '{}');
    const answers = [created, upload, page, link];
    expect(answers.map(({ status }) => status)).toEqual([201, 201, 200, 201]);
    expect(created.headers['location']).toMatch(/^\/api\/tasks\//);
    expect(upload.headers['location']).toMatch(/^\/api\/uploads\//);
    expect(page.headers['link']).toMatch(/^<\/api\/tasks\?/);
    for (const path of ['/docs/openapi.json', '/docs', '/problems', '/problems/BAD_REQUEST', '/nowhere', '/api/%zz'])
      answers.push(await ask('GET', path));
    for (const { headers, text } of answers) expect(JSON.stringify(headers) + text).not.toContain(EVIL);
  });

  async function uploadFile(): Promise<string> {
    const form = new FormData();
    form.set('file', new Blob(['hello']), 'a.txt');
    const headers = { authorization: `Bearer ${ada.accessToken}` };
    const response = await fetch(`${server.url}/api/files`, { method: 'POST', headers, body: form });
    expect(response.status).toBe(201);
    return ((await response.json()) as { id: string }).id;
  }
});
