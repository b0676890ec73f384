// Checks the OpenAPI document and Swagger UI over HTTP: access according to DOCS, compression, caching, and no stored token.
import { once } from 'node:events';
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiDocument } from '../../src/common/http/docs/api-document.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

const PATH = '/docs/openapi.json';
let server: TestServer;

interface RawAnswer {
  status: number | undefined;
  headers: IncomingHttpHeaders;
  bytes: Buffer;
}

/** Returns the response as it is on the wire; fetch would decompress it. */
async function get(headers: Record<string, string> = {}, method = 'GET', path = PATH): Promise<RawAnswer> {
  const sent = request(new URL(path, server.url), { method, headers }).end();
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  const bytes = Buffer.concat((await answer.toArray()) as Buffer[]);
  return { status: answer.statusCode, headers: answer.headers, bytes };
}

describe('the OpenAPI document with DOCS=on', () => {
  beforeAll(async () => {
    server = await startServer({
      DOCS: 'on',
      RATE_LIMIT_MODE: 'enforce',
      RATE_LIMIT_BURST: '60/60',
      RATE_LIMIT_SUSTAINED: '1000/60',
    });
  });
  afterAll(() => server.close());

  it.each([
    ['br', 'gzip, deflate, br', brotliDecompressSync],
    ['gzip', 'gzip', gunzipSync],
    ['gzip', 'br;q=0, gzip;q=0.5', gunzipSync],
    [undefined, 'identity', (bytes: Buffer) => bytes],
    [undefined, '', (bytes: Buffer) => bytes],
  ])('is sent as %s to Accept-Encoding “%s”, with an ETag of its own and 304', async (encoding, accepted, decode) => {
    const plain = await get();
    const headers: Record<string, string> = accepted === '' ? {} : { 'accept-encoding': accepted };
    const answer = await get(headers);
    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, encoding]);
    expect(decode(answer.bytes).equals(plain.bytes)).toBe(true);
    const etag = String(answer.headers['etag']);
    expect(etag).toMatch(/^"[\w-]{22}(-\w+)?"$/);
    expect(etag === plain.headers['etag']).toBe(encoding === undefined);
    expect(answer.headers['vary']).toMatch(/(^|, )Accept-Encoding(,|$)/i);
    for (const method of ['GET', 'HEAD']) {
      const known = await get({ ...headers, 'if-none-match': `W/${etag}` }, method);
      expect([known.status, known.headers['etag'], known.bytes.length]).toEqual([304, etag, 0]);
      const other = await get({ ...headers, 'if-none-match': '"other"' }, method);
      expect([other.status, other.headers['content-length']]).toEqual([200, String(answer.bytes.length)]);
    }
  });

  it('is built once for any number of requests', async () => {
    let count = 0;
    const document = server.app.get(ApiDocument, { strict: false });
    document.createWith(() => ({ count: ++count }));
    const answers = await Promise.all(Array.from({ length: 5 }, () => get()));
    expect(answers.map(({ bytes }) => bytes.toString())).toEqual(Array(5).fill('{"count":1}'));
  });

  it('is read by Swagger UI, which stores no token', async () => {
    expect((await get({}, 'GET', '/docs')).status).toBe(200);
    const script = (await get({}, 'GET', '/docs/swagger-ui-init.js')).bytes.toString();
    expect(script).toContain('"swaggerUrl": "/docs/openapi.json"');
    expect(script).toContain('"persistAuthorization": false');
    expect(script).not.toContain('/api/tasks');
  });

  it('counts against the rate limit of the address, and is refused beyond it', async () => {
    const remaining = async (): Promise<number> => {
      const { status, headers } = await get();
      expect(status).toBe(200);
      return Number(/"burst";r=(\d+)/.exec(String(headers['ratelimit']))?.[1]);
    };
    const before = await remaining();
    expect(await remaining()).toBe(before - 1);
    const rest = await Promise.all(Array.from({ length: 65 }, () => get()));
    expect(rest.filter(({ status }) => status === 429).length).toBeGreaterThan(0);
  });
});

describe('the documentation with DOCS=admin', () => {
  let ada: Person;
  let root: Person;
  beforeAll(async () => {
    server = await startServer({ DOCS: 'admin' });
    ada = await server.registerUser();
    root = await server.makeAdmin();
  });
  afterAll(() => server.close());

  it('shows the document to administrators only; the page contains no part of it and asks for a token', async () => {
    const as = ({ accessToken }: Person) => ({ authorization: `Bearer ${accessToken}` });
    expect((await get()).status).toBe(401);
    expect((await get(as(ada))).status).toBe(403);
    const answer = await get(as(root));
    expect([answer.status, answer.headers['cache-control']]).toEqual([200, 'private, no-cache']);
    expect((await get({ 'if-none-match': String(answer.headers['etag']) })).status).toBe(401);
    expect((await get({}, 'GET', '/docs')).status).toBe(200);
    const script = (await get({}, 'GET', '/docs/swagger-ui-init.js')).bytes.toString();
    expect(script).not.toContain('/api/tasks');
    expect(script).toMatch(/prompt\(/);
  });
});

describe('the documentation with DOCS=off', () => {
  beforeAll(async () => {
    server = await startServer({ DOCS: 'off' });
  });
  afterAll(() => server.close());

  it.each([PATH, '/docs', '/docs/', '/docs/swagger-ui-init.js', '/docs/swagger-ui-bundle.js'])(
    'returns 404 for %s',
    async (path) => {
      expect((await get({}, 'GET', path)).status).toBe(404);
    },
  );
});
