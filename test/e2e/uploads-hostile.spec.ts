// Checks invalid tus requests: hostile names, headers, methods and media types, and pages of other origins.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { UploadLocks } from '../../src/files/uploads/upload-locks.js';
import { Signals } from '../../src/shared/pubsub/signals.js';
import type { Problem } from '../support/http/api.js';
import type { StoredFile } from '../support/files/file-server.js';
import { below, pick, seeded } from '../support/fuzz/random.js';
import { send } from '../support/http/raw-http.js';
import type { Person, TestServer } from '../support/server/server.js';
import { metadata, PART, type Tus, VERSION } from '../support/http/tus.js';
import { refusal, UploadServer } from '../support/files/upload-server.js';
import { until } from '../support/time/until.js';

const MIB = 1_048_576;

let uploadServer: UploadServer;
let server: TestServer;
let ada: Person;
let tus: Tus;

const open =
  (env: Record<string, string> = {}) =>
  async (): Promise<void> => {
    uploadServer = await UploadServer.open(env);
    ({ server, ada, tus } = uploadServer);
  };
const close = (): Promise<void> => uploadServer.close();

describe('an upload', () => {
  beforeAll(open());
  afterAll(close);
  afterEach(() => uploadServer.expectOrder());

  describe('with metadata', () => {
    it.each([
      ['', 'file'],
      ['invoice\u202Egnp.exe', 'invoicegnp.exe'],
      ['😀'.repeat(300), '😀'.repeat(255)],
    ])('stores the name %j as %j', async (sent, kept) => {
      const id = await tus.complete(Buffer.from('x'), { filename: sent, filetype: '<script>' });
      const { body } = await ada.api.get<StoredFile>(`/api/files/${id}`);
      expect([body.name, body.declaredType]).toEqual([kept, 'application/octet-stream']);
    });

    it.each(['../../../no-such-folder/x', '..', 'a\\b', 'a\0b', 'a\r\nSet-Cookie: c=d'])(
      'is refused with the invalid name %j',
      async (filename) => {
        expect(await tus.create(1, { filename })).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
      },
    );

    it.each([
      ['invalid UTF-8', 'filename /////w==,key'],
      ['an empty value', 'filename'],
      ['unusual keys', `a.b ${'A'.repeat(4_000)},$1 YQ==,<script> YQ==`],
    ])('keeps metadata with %s as it was sent', async (_what, given) => {
      const headers = { 'upload-length': '1', 'upload-metadata': given };
      const path = (await tus.send('POST', '/api/uploads', headers)).headers.get('location') as string;
      expect((await tus.head(path)).headers.get('upload-metadata')).toBe(given);
      expect((await tus.patch(path, 0, 'x')).status).toBe(204);
    });

    it.each([
      ['an unknown bucket', metadata({ bucket: 'nowhere' }), '404 BUCKET_NOT_FOUND'],
      ['a very long bucket name', metadata({ bucket: 'b'.repeat(5_000) }), '404 BUCKET_NOT_FOUND'],
      ['a bucket with a NUL', metadata({ bucket: 'a\0' }), '400 VALIDATION_FAILED'],
      ['21 keys', Array.from({ length: 21 }, (_, n) => `key${n}`).join(','), '400 VALIDATION_FAILED'],
      ['invalid base64', 'filename !!!!', '400 VALIDATION_FAILED'],
      ['base64 of an odd length', 'filename YQ=', '400 VALIDATION_FAILED'],
      ['three words in an item', 'filename YQ== YQ==', '400 VALIDATION_FAILED'],
      ['a duplicate key', 'a YQ==,a YQ==', '400 VALIDATION_FAILED'],
      ['__proto__', '__proto__ YQ==', '400 VALIDATION_FAILED'],
      ['an empty list', ',', '400 VALIDATION_FAILED'],
    ])('is refused with %s', async (_what, given, expected) => {
      const before = await uploadServer.count('uploads');
      const headers = { 'upload-length': '1', 'upload-metadata': given };
      expect(refusal(await tus.send('POST', '/api/uploads', headers))).toBe(expected);
      expect(await uploadServer.count('uploads')).toBe(before);
    });
  });

  describe('is refused with', () => {
    const patch = { 'upload-offset': '0', 'content-type': PART };
    it.each<[string, string, Record<string, string>, string | undefined, string]>([
      ['a creation without a length', 'POST', {}, undefined, '400 UPLOAD_LENGTH_REQUIRED'],
      ['a deferred length', 'POST', { 'upload-defer-length': '1' }, undefined, '400 UPLOAD_EXTENSION_UNSUPPORTED'],
      ['a part of a concatenation', 'POST', { 'upload-length': '1', 'upload-concat': 'partial' }, undefined, '400 UPLOAD_EXTENSION_UNSUPPORTED'],
      ['a negative length', 'POST', { 'upload-length': '-1' }, undefined, '400 VALIDATION_FAILED'],
      ['a length over the safe integers', 'POST', { 'upload-length': '9007199254740993' }, undefined, '400 VALIDATION_FAILED'],
      ['a length that is too large', 'POST', { 'upload-length': '9007199254740991' }, undefined, '413 FILE_TOO_LARGE'],
      ['a length in hexadecimal', 'POST', { 'upload-length': '0x1' }, undefined, '400 VALIDATION_FAILED'],
      ['another version', 'POST', { 'upload-length': '1', 'tus-resumable': '0.2.2' }, undefined, '412 UPLOAD_VERSION_UNSUPPORTED'],
      ['no version', 'POST', { 'upload-length': '1', 'tus-resumable': '' }, undefined, '412 UPLOAD_VERSION_UNSUPPORTED'],
      ['JSON at the creation', 'POST', { 'upload-length': '1', 'content-type': 'application/json' }, '{}', '415 UNSUPPORTED_MEDIA_TYPE'],
      ['more bytes than its length, at the creation', 'POST', { 'upload-length': '1', 'content-type': PART }, 'ab', '413 UPLOAD_TOO_LONG'],
      ['no offset', 'PATCH', { 'content-type': PART }, 'ab', '400 VALIDATION_FAILED'],
      ['a negative offset', 'PATCH', { ...patch, 'upload-offset': '-1' }, 'ab', '400 VALIDATION_FAILED'],
      ['an offset beyond the end', 'PATCH', { ...patch, 'upload-offset': '1' }, 'ab', '409 UPLOAD_OFFSET_CONFLICT'],
      ['more bytes than its length', 'PATCH', patch, 'abcd', '413 UPLOAD_TOO_LONG'],
      ['another media type', 'PATCH', { ...patch, 'content-type': 'application/octet-stream' }, 'ab', '415 UNSUPPORTED_MEDIA_TYPE'],
      ['JSON', 'PATCH', { ...patch, 'content-type': 'application/json' }, '{}', '415 UNSUPPORTED_MEDIA_TYPE'],
      ['no media type', 'PATCH', { 'upload-offset': '0' }, undefined, '415 UNSUPPORTED_MEDIA_TYPE'],
      ['a second length', 'PATCH', { ...patch, 'upload-length': '3' }, 'ab', '400 UPLOAD_EXTENSION_UNSUPPORTED'],
      ['no version', 'HEAD', { 'tus-resumable': '' }, undefined, '412 '],
      ['another version', 'DELETE', { 'tus-resumable': '2.0.0' }, undefined, '412 UPLOAD_VERSION_UNSUPPORTED'],
    ])('%s (%s)', async (_what, method, headers, body, expected) => {
      const path = await tus.begin(3);
      const rows = await uploadServer.count('uploads');
      const answer = await ada.api.request(method, method === 'POST' ? '/api/uploads' : path, body, {
        headers: { ...VERSION, ...headers },
      });
      expect(refusal(answer)).toBe(expected);
      expect(answer.headers.get('tus-version')).toBe(answer.status === 412 ? '1.0.0' : null);
      expect([await uploadServer.count('uploads'), await tus.offset(path)]).toEqual([rows, 0]);
    }); // prettier-ignore

    it('an unknown or invalid address, or on a route that takes no uploads', async () => {
      expect(refusal(await tus.head('/api/uploads/nonsense'))).toBe('400 ');
      expect(refusal(await tus.send('DELETE', '/api/uploads/nonsense'))).toBe('400 VALIDATION_FAILED');
      const nobody = '/api/uploads/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
      expect(refusal(await tus.patch(nobody, 0, 'x'))).toBe('404 UPLOAD_NOT_FOUND');
      for (const path of ['/api/tasks', '/api/files', '/api/auth/login'])
        expect([path, refusal(await tus.send('POST', path, {}, 'x'))]).toEqual([path, '415 UNSUPPORTED_MEDIA_TYPE']);
    });

    it('more bytes than its length in chunks: only what fits is kept', async () => {
      const path = await tus.begin(1_000);
      const answer = await send(server.port, {
        method: 'PATCH',
        path,
        headers: {
          ...{ authorization: `Bearer ${ada.accessToken}`, ...VERSION, 'upload-offset': '0', 'content-type': PART },
          'transfer-encoding': 'chunked',
        },
        body: Buffer.alloc(5_000, 'x'),
      });
      expect([answer.status, (JSON.parse(answer.text) as Problem).code]).toEqual([413, 'UPLOAD_TOO_LONG']);
      expect(await tus.offset(path)).toBeLessThanOrEqual(1_000);
    });

    it('an invalid offset, and the connection stays open once the rest of a small part has arrived', async () => {
      const path = await tus.begin(20 * MIB);
      const patch = tus.open(path, 1, 30_000).send(Buffer.alloc(30_000));
      patch.socket.write('GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
      await patch.closed;
      expect(patch.received.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 409', 'HTTP/1.1 200']);
    });
  });

  it('with random headers causes no server error in 2,000 requests', async () => {
    const random = seeded(11);
    const NAMES = ['upload-length', 'upload-offset', 'upload-metadata', 'upload-defer-length', 'upload-concat', 'tus-resumable', 'content-type', 'x-http-method-override', 'upload-checksum', 'expect']; // prettier-ignore
    const VALUES = ['', '0', '1', '-0', '00', '1e3', '1e400', '9007199254740991', '18446744073709551616', 'NaN', '1.0.0', '1.0.0, 1.0.0', PART, `${PART}; a=b`, PART.toUpperCase(), 'PATCH', 'HEAD', 'DELETE', 'TRACE', 'a YQ==', 'filename /w==', 'bucket AAAA', 'a,b,c', 'final;/a /b', 'sha1 x', '\xe9\xff', "';--", '{}', '100-continue']; // prettier-ignore
    const METHODS = ['POST', 'POST', 'HEAD', 'PATCH', 'PATCH', 'DELETE', 'OPTIONS', 'GET', 'PUT'];
    const statuses = new Set<number>();
    const spoiled = async (path: string): Promise<void> => {
      const method = pick(random, METHODS);
      const body = pick(random, [undefined, '', 'hello']);
      const own = method === 'POST' ? { 'upload-length': '5' } : { 'upload-offset': '0' };
      const spoiling = Array.from({ length: below(random, 4) }, () => [pick(random, NAMES), pick(random, VALUES)]);
      const request = {
        method,
        path: pick(random, ['/api/uploads', path, `${path}?a=/uploads/x`, '/api/uploads/%00', `${path}/x`]),
        headers: {
          ...{ authorization: `Bearer ${ada.accessToken}`, ...VERSION, ...own },
          ...(body !== undefined && { 'content-type': PART }),
          ...Object.fromEntries(spoiling),
        } as Record<string, string>,
        ...(body !== undefined && { body }),
      };
      const answer = await send(server.port, request);
      statuses.add(answer.status);
      if (answer.status >= 500) throw new Error(JSON.stringify({ request, answer }));
    };
    for (let sent = 0; sent < 2_000; sent += 20) {
      const path = await tus.begin(100);
      await Promise.all(Array.from({ length: 20 }, () => spoiled(path)));
    }
    expect([200, 201, 204, 400, 404, 409, 412, 415].filter((status) => !statuses.has(status))).toEqual([]);
  }, 60_000);
});

describe('requests that wait for the lock of an upload', () => {
  beforeAll(open());
  afterAll(close);

  const locks = () => server.app.get(UploadLocks);
  const lock = (id: string, signal = new AbortController().signal) => {
    const one = locks().newLock(id);
    return { taken: one.lock(signal, () => undefined), unlock: () => one.unlock() };
  };

  it('are few: more are refused at once, and the first gets the lock', async () => {
    const id = randomUUID();
    const holder = lock(id);
    await holder.taken;
    const codes: string[] = [];
    let taken = 0;
    const waiting = Array.from({ length: 60 }, () => lock(id));
    const ended = waiting.map((one) =>
      one.taken.then(
        () => (taken++, one.unlock()),
        ({ code }: { code: string }) => void codes.push(code),
      ),
    );
    await until(() => codes.length === 39, 'the refusals');
    expect(new Set(codes)).toEqual(new Set(['UPLOAD_LOCKED']));
    await holder.unlock();
    await Promise.all(ended);
    expect([taken, codes.length]).toEqual([21, 39]);
  });

  it('of many uploads do not all poll', async () => {
    const ids = Array.from({ length: 40 }, () => randomUUID());
    for (const id of ids) await lock(id).taken;
    const given = new AbortController();
    const signals = jest.spyOn(server.app.get(Signals), 'send');
    const asked = () => new Set(signals.mock.calls.map(([, id]) => id)).size;
    const ended = ids.map((id) => lock(id, given.signal).taken.catch(() => undefined));
    await until(() => signals.mock.calls.length > 30, 'the polls');
    expect(asked()).toBe(10);
    given.abort();
    await Promise.all(ended);
    jest.restoreAllMocks();
  });
});

describe('resumable uploads from pages of another origin', () => {
  const ORIGIN = 'https://app.example.com';
  beforeAll(open({ CORS_ORIGINS: ORIGIN }));
  afterAll(close);

  it('can read the tus capabilities without a token', async () => {
    for (const origin of [null, ORIGIN]) {
      const asked = origin === null ? {} : { headers: { origin } };
      const { status, headers: received } = await server.api.request('OPTIONS', '/api/uploads', undefined, asked);
      expect([status, Object.fromEntries(received)]).toMatchObject([
        204,
        {
          'tus-version': '1.0.0',
          'tus-extension': 'creation,creation-with-upload,termination,expiration',
          'tus-max-size': '5368709120',
        },
      ]);
      expect(received.get('access-control-allow-origin')).toBe(origin);
    }
  });

  it('can use every tus method and header, and read every response header', async () => {
    const asked = 'authorization,tus-resumable,upload-length,upload-metadata,upload-offset,content-type';
    for (const path of ['/api/uploads', '/api/uploads/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11'])
      for (const method of ['POST', 'PATCH', 'HEAD', 'DELETE']) {
        const headers = {
          ...{ origin: ORIGIN, 'access-control-request-method': method, 'access-control-request-headers': asked },
        };
        const { status, headers: received } = await server.api.request('OPTIONS', path, undefined, { headers });
        expect([status, received.get('access-control-allow-origin')]).toEqual([204, ORIGIN]);
        expect(received.get('access-control-allow-methods')?.split(', ')).toContain(method);
        expect(received.get('access-control-allow-headers')).toBe(asked);
      }
    const created = await tus.send('POST', '/api/uploads', { 'upload-length': '1', origin: ORIGIN });
    expect(created.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    const exposed = created.headers.get('access-control-expose-headers')?.toLowerCase().split(', ');
    const head = await tus.send('HEAD', created.headers.get('location') as string, { origin: ORIGIN });
    const own = [...created.headers.keys(), ...head.headers.keys()].filter((name) => /^(upload|tus)-|^location$/.test(name));
    expect(own.filter((name) => !exposed?.includes(name))).toEqual([]);
    expect(exposed).toEqual(expect.arrayContaining(['x-file-id', 'content-location']));
  }); // prettier-ignore
});
