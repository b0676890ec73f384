// Checks resumable uploads request by request: received bytes are kept, only the owner has access, and one file results.
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SNIFFED_BYTES } from '../../src/storage/media-types/media-type.js';
import type { UsageDto } from '../../src/files/dto/file.dto.js';
import { FileStorage } from '../../src/storage/file-storage.js';
import { TidyHandler } from '../../src/files/upkeep/tidy.handler.js';
import { SweepUploadsHandler } from '../../src/files/uploads/sweep-uploads.handler.js';
import { UploadSegments } from '../../src/files/uploads/upload-segments.js';
import { type Upload, UploadsRepository } from '../../src/files/uploads/uploads.repository.js';
import type { JobContext } from '../../src/workers/job.js';
import { sha256 } from '../support/files/file-server.js';
import { below, seeded } from '../support/fuzz/random.js';
import { sendBytes } from '../support/http/raw-http.js';
import { S3_KINDS, type S3Server } from '../support/engines/s3-servers.js';
import type { Person, TestServer } from '../support/server/server.js';
import { metadata, PART, RETRYABLE_STATUSES, Tus } from '../support/http/tus.js';
import { until } from '../support/time/until.js';
import { refusal, UploadServer } from '../support/files/upload-server.js';

const MIB = 1_048_576;
/** A higher number finds more faults: CUT_UPLOADS=1000 npm test -- e2e/uploads.spec */
const CUT_UPLOADS = Number(process.env['CUT_UPLOADS'] ?? 25);
const KEYS = `k1:${Buffer.alloc(32, 1).toString('base64')}`;

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

const sweep = (): Promise<unknown> =>
  server.app.get(SweepUploadsHandler).run({}, { signal: new AbortController().signal } as JobContext);

const idOf = (path: string): string => path.split('/').at(-1) as string;

describe('a resumable upload', () => {
  // Some tests send a few bytes at a time.
  beforeAll(open({ REQUEST_TIMEOUT: '1500', BODY_TIMEOUT: '700', MIN_TRANSFER_RATE: '1' }));
  afterAll(close);
  afterEach(() => uploadServer.expectOrder());

  it('is created, receives parts, and becomes an ordinary file', async () => {
    const bytes = randomBytes(3_000_001);
    const values = { filename: 'Übersicht.pdf', filetype: 'text/csv', note: 'kept' };
    const created = await tus.create(bytes.length, values);
    expect([created.status, created.body]).toEqual([201, undefined]);
    const path = created.headers.get('location') as string;
    expect(path).toMatch(/^\/api\/uploads\/[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f-]{21}$/);
    const expires = Date.parse(created.headers.get('upload-expires') as string);
    expect(Math.abs(expires - Date.now() - 86_400_000)).toBeLessThan(60_000);
    expect(await uploadServer.usage()).toEqual([bytes.length, 1]); // reserved at the creation

    const fresh = await tus.head(path);
    expect([fresh.status, Object.fromEntries(fresh.headers)]).toMatchObject([
      200,
      {
        'upload-offset': '0',
        'upload-length': '3000001',
        'upload-metadata': metadata(values),
        'cache-control': 'no-store',
        'tus-resumable': '1.0.0',
        'x-content-type-options': 'nosniff',
        'x-request-id': expect.anything(),
      },
    ]);
    for (const [from, to] of [[0, 1], [1, 1_000_000], [1_000_000, 1_000_000], [1_000_000, 2_999_999]] as const) {
      const part = await tus.patch(path, from, bytes.subarray(from, to));
      expect([part.status, part.headers.get('upload-offset')]).toEqual([204, String(to)]);
      expect([part.headers.get('upload-expires'), part.headers.get('x-file-id')]).toEqual([expect.anything(), null]);
      expect(await tus.offset(path)).toBe(to);
    }
    expect(await uploadServer.files()).toEqual([]);
    const last = await tus.patch(path, 2_999_999, bytes.subarray(2_999_999));
    const id = last.headers.get('x-file-id');
    expect([last.status, Object.fromEntries(last.headers)]).toMatchObject([
      204,
      { 'upload-offset': '3000001', 'content-location': `/api/files/${id}` },
    ]);
    expect(last.headers.get('upload-expires')).toBeNull();
    const [file] = await uploadServer.files();
    expect(file).toMatchObject({ id, name: 'Übersicht.pdf', size: 3_000_001, sha256: sha256(bytes), bucket: 'default' });
    expect([file?.declaredType, file?.mimeType]).toEqual(['text/csv', 'application/octet-stream']);
    expect(sha256(await uploadServer.content(id))).toBe(sha256(bytes));
    expect(await uploadServer.usage()).toEqual([bytes.length, 1]);
    const known = await tus.head(path);
    expect([known.headers.get('upload-offset'), known.headers.get('x-file-id')]).toEqual(['3000001', id]);
    expect(await uploadServer.count('upload_segments')).toBe(0);
  }); // prettier-ignore

  it('may receive some or all bytes at its creation, and may be empty', async () => {
    const create = (length: number, body?: string) =>
      tus.send('POST', '/api/uploads', { 'upload-length': String(length) }, body);
    const part = await create(6, 'abc');
    expect([part.status, part.headers.get('upload-offset')]).toEqual([201, '3']);
    const last = await tus.patch(part.headers.get('location') as string, 3, 'def');
    expect((await uploadServer.content(last.headers.get('x-file-id'))).toString()).toBe('abcdef');
    const whole = await create(3, 'abc');
    expect((await uploadServer.content(whole.headers.get('x-file-id'))).toString()).toBe('abc');
    const empty = await create(0);
    expect((await uploadServer.content(empty.headers.get('x-file-id'))).toString()).toBe('');
    const { headers } = await tus.head(empty.headers.get('location') as string);
    expect([headers.get('upload-offset'), headers.get('upload-length')]).toEqual(['0', '0']);
  });

  it('works under /api/v1 as under /api', async () => {
    const v1 = new Tus(ada.api, '/api/v1/uploads');
    const path = await v1.begin(1);
    expect(path).toMatch(/^\/api\/v1\/uploads\//);
    const { headers } = await v1.patch(path, 0, 'x');
    expect(headers.get('content-location')).toBe(`/api/v1/files/${headers.get('x-file-id')}`);
  });

  it('accepts X-HTTP-Method-Override from clients that cannot send PATCH', async () => {
    const path = await tus.begin(4);
    const by = (method: string, offset: number, body?: string) =>
      tus.send('POST', path, { 'x-http-method-override': method, 'upload-offset': String(offset) }, body);
    expect((await by('PATCH', 0, 'ab')).headers.get('upload-offset')).toBe('2');
    expect((await by('HEAD', 0)).headers.get('upload-length')).toBe('4');
    expect(refusal(await by('PUT', 2, 'cd'))).toBe('400 VALIDATION_FAILED');
    expect((await by('DELETE', 0)).status).toBe(204);
    expect((await tus.head(path)).status).toBe(404);
  });

  it('merges small parts, so that each does not need its own object', async () => {
    const bytes = randomBytes(2_000_000);
    const path = await tus.begin(bytes.length);
    for (let from = 0; from < 1_950_000; from += 50_000)
      expect((await tus.patch(path, from, bytes.subarray(from, from + 50_000))).status).toBe(204);
    expect(await uploadServer.count('upload_segments')).toBeLessThanOrEqual(20);
    const { headers } = await tus.patch(path, 1_950_000, bytes.subarray(1_950_000));
    expect(sha256(await uploadServer.content(headers.get('x-file-id')))).toBe(sha256(bytes));
  });

  it('does not rewrite a large segment for a small part', async () => {
    const path = await tus.begin(200_000);
    for (const [from, count] of [[0, 100_000], [100_000, 1], [100_001, 1]] as const)
      await tus.patch(path, from, Buffer.alloc(count)); // prettier-ignore
    const segments = await uploadServer.server.sql<{ start: string; size: string }>(
      `SELECT start, size FROM upload_segments WHERE upload_id = $1 ORDER BY start`,
      path.split('/').at(-1),
    );
    expect(segments.map(({ start, size }) => [Number(start), Number(size)])).toEqual([
      [0, 100_000],
      [100_000, 2],
    ]);
  });

  it('that is deleted is not found, and frees its reserved quota', async () => {
    const before = await uploadServer.usage();
    const path = await tus.begin(1_000);
    await tus.patch(path, 0, 'abc');
    expect((await uploadServer.usage())[0]).toBe(before[0] + 1_000);
    expect((await tus.send('DELETE', path)).status).toBe(204);
    expect(await uploadServer.usage()).toEqual(before);
    for (const method of ['HEAD', 'DELETE']) expect((await tus.send(method, path)).status).toBe(404);
    expect(refusal(await tus.patch(path, 3, 'def'))).toBe('404 UPLOAD_NOT_FOUND');
  });

  it('that is complete cannot be deleted: it is a file', async () => {
    const path = await tus.begin(1);
    const id = (await tus.patch(path, 0, 'x')).headers.get('x-file-id');
    expect(refusal(await tus.send('DELETE', path))).toBe('409 UPLOAD_FINISHED');
    expect((await uploadServer.content(id)).toString()).toBe('x');
    expect(refusal(await tus.patch(path, 1, 'y'))).toBe('413 UPLOAD_TOO_LONG');
    const again = await tus.patch(path, 1, '');
    expect([again.status, again.headers.get('x-file-id')]).toEqual([204, id]);
  });

  it('that is complete keeps its metadata while its file lives, and no longer: a deleted file is in no quota', async () => {
    const values = { filename: 'a.txt', note: 'n'.repeat(8_000) };
    const other = (await tus.create(0, values)).headers.get('location') as string;
    const { headers } = await tus.create(0, values);
    const path = headers.get('location') as string;
    const file = headers.get('x-file-id') as string;
    expect((await tus.head(path)).headers.get('upload-metadata')).toBe(metadata(values));
    expect((await ada.api.delete(`/api/files/${file}`)).status).toBe(204);
    const after = await tus.head(path);
    expect([after.status, after.headers.get('upload-metadata'), after.headers.get('x-file-id')]).toEqual([200, null, file]);
    const [row] = await server.sql<{ metadata: string }>('SELECT metadata FROM uploads WHERE id = $1', idOf(path));
    expect(row).toEqual({ metadata: '' });
    expect((await tus.head(other)).headers.get('upload-metadata')).toBe(metadata(values));
  }); // prettier-ignore

  describe('that is interrupted', () => {
    it('keeps the received bytes when the client closes the connection', async () => {
      const bytes = randomBytes(6_000_000);
      const path = await tus.begin(bytes.length);
      const patch = tus.open(path, 0, bytes.length).send(bytes.subarray(0, 5_000_000));
      await until(async () => (await uploadServer.fileServer.storedNames()).length >= 2, 'the second segment to begin');
      await sleep(200); // the bytes in transit arrive
      patch.socket.destroy();
      const offset = await tus.offset(path);
      expect(offset).toBeGreaterThan(4 * MIB); // more than whole segments; the last bytes may be lost with the connection
      expect(offset).toBeLessThanOrEqual(5_000_000);
      const { headers } = await tus.patch(path, offset, bytes.subarray(offset));
      expect(sha256(await uploadServer.content(headers.get('x-file-id')))).toBe(sha256(bytes));
    });

    it('keeps the received bytes when the client stops sending, and returns 408', async () => {
      const path = await tus.begin(1_000);
      const patch = tus.open(path, 0, 1_000).send(Buffer.alloc(600, 'a'));
      await patch.closed;
      expect(patch.received).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"REQUEST_TIMEOUT"/);
      expect(await tus.offset(path)).toBe(600);
    });

    it('keeps the received bytes when its request is cancelled', async () => {
      const path = await tus.begin(1_000);
      const patch = tus.open(path, 0, 1_000).send(Buffer.alloc(600, 'a'));
      await uploadServer.isAtWork();
      const [running] = server.app.getHttpAdapter().getInstance().inFlight;
      await sleep(100);
      expect((await ada.api.delete(`/api/requests/${running?.requestId}`)).status).toBe(204);
      await until(() => patch.received.includes('HTTP/1.1 499'), 'the request to be answered');
      const keepAlive = setInterval(() => patch.send(Buffer.from('a')), 100); // the client would continue
      await until(async () => (await uploadServer.count('upload_locks')) === 0, 'the work to end', 3_000);
      clearInterval(keepAlive);
      patch.socket.destroy();
      expect(await tus.offset(path)).toBe(600);
    });

    it('is not damaged when the client disconnects before its body is read', async () => {
      const path = await tus.begin(10);
      const uploads = server.app.get(UploadsRepository);
      const { inFlight } = server.app.getHttpAdapter().getInstance();
      const getOwned = uploads.getOwned.bind(uploads);
      let wasLate = false;
      uploads.getOwned = async (...asked) => {
        uploads.getOwned = getOwned;
        const upload = await getOwned(...asked);
        patch.socket.resetAndDestroy();
        await until(() => inFlight.size === 0, 'the request to be given up');
        wasLate = true;
        return upload;
      };
      const patch = tus.open(path, 0, 10);
      await until(() => wasLate, 'the request to be late');
      expect(await tus.offset(path)).toBe(0);
    });

    it('completes after any number of interruptions at any position', async () => {
      const random = seeded(5);
      const whole = async (): Promise<void> => {
        const bytes = randomBytes(1 + below(random, 6_000_000));
        const path = await tus.begin(bytes.length);
        let known = 0;
        for (let cuts = 1 + below(random, 4); cuts > 0; cuts--) {
          const { offset: from } = await tus.progress(path);
          expect(from).toBeGreaterThanOrEqual(known);
          known = from;
          const patch = tus.open(path, from, bytes.length - from);
          patch.send(bytes.subarray(from, from + below(random, bytes.length - from)));
          await sleep(below(random, 60));
          patch.socket.resetAndDestroy(); // its request may start after the next one, and ask that one to end
        }
        expect(sha256(await uploadServer.content(await tus.resume(path, bytes)))).toBe(sha256(bytes));
      };
      for (let begun = 0; begun < CUT_UPLOADS; begun += 5) await Promise.all(Array.from({ length: 5 }, whole));
    }, 300_000);

    it('leaves nothing when the client never received its address', async () => {
      const before = [await uploadServer.usage(), await uploadServer.count('uploads')];
      const { socket } = tus.open('/api/uploads', 0, 1_000);
      socket.destroy();
      const head = `POST /api/uploads HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.accessToken}\r\n`;
      const bytes = `${head}Tus-Resumable: 1.0.0\r\nUpload-Length: 5000\r\nContent-Type: ${PART}\r\nContent-Length: 5000\r\n\r\nabc`;
      const answer = await sendBytes(server.port, bytes);
      expect(answer?.status).toBe(408);
      expect([await uploadServer.usage(), await uploadServer.count('uploads')]).toEqual(before);
    });
  });

  it('may take longer than any other request while its bytes keep arriving', async () => {
    const path = await tus.begin(300_000);
    const patch = tus.open(path, 0, 300_000);
    for (let sent = 0; sent < 30; sent++) {
      patch.send(Buffer.alloc(10_000));
      await sleep(100);
    }
    await until(() => patch.received !== '', 'the answer');
    expect(patch.received).toMatch(/^HTTP\/1\.1 204 [\s\S]*upload-offset: 300000/);
    patch.socket.destroy();
  });
});

describe('a resumable upload with two clients', () => {
  beforeAll(open({}));
  afterAll(close);
  afterEach(() => uploadServer.expectOrder());

  it('ends the older request when a newer one arrives, and keeps its bytes', async () => {
    const path = await tus.begin(1_000);
    const older = tus.open(path, 0, 1_000).send(Buffer.alloc(600, 'a'));
    await uploadServer.isAtWork();
    const keepAlive = setInterval(() => older.send(Buffer.from('a')), 200); // the older request is neither idle nor complete
    const began = performance.now();
    const offset = await tus.offset(path);
    expect(performance.now() - began).toBeLessThan(3_000);
    clearInterval(keepAlive);
    expect(offset).toBeGreaterThanOrEqual(600);
    await older.closed;
    expect(older.received).toMatch(new RegExp(`^HTTP/1\\.1 204 [\\s\\S]*upload-offset: ${offset}\\r\\n`));
    expect((await tus.patch(path, offset, Buffer.alloc(1_000 - offset, 'b'))).status).toBe(204);
  });

  it('accepts one of several requests for the same bytes', async () => {
    const path = await tus.begin(6 * MIB);
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, at) => tus.patch(path, 0, Buffer.alloc(3 * MIB, at % 2 ? 'a' : 'b')).then(refusal)),
    );
    const [accepted, ...refused] = answers.sort();
    expect(refused).toEqual(Array.from({ length: 7 }, () => '409 UPLOAD_OFFSET_CONFLICT'));
    // The others ask it to end; on a busy machine it ends before its last byte.
    const received = Number(/^204 (\d+)$/.exec(accepted as string)?.[1]);
    expect(received).toBeGreaterThan(0);
    const rest = Buffer.alloc(6 * MIB - received, 'c');
    const { headers } = await tus.patch(path, received, rest);
    const stored = await uploadServer.content(headers.get('x-file-id'));
    const expected = ['a', 'b'].map((first) => Buffer.concat([Buffer.alloc(received, first), rest]));
    expect(expected.some((bytes) => bytes.equals(stored))).toBe(true);
  });

  it('receives their parts alternately, without a missing or extra byte', async () => {
    const bytes = randomBytes(8 * MIB);
    const path = await tus.begin(bytes.length);
    let id: string | null = null;
    const client = async (size: number): Promise<void> => {
      while (id === null) {
        const { offset: from, fileId } = await tus.progress(path);
        id ??= fileId;
        if (id !== null) continue;
        const { status, headers } = await tus.patch(path, from, bytes.subarray(from, from + size));
        expect([204, ...RETRYABLE_STATUSES]).toContain(status);
        id ??= headers.get('x-file-id');
      }
    };
    await Promise.all([client(300_000), client(700_000), client(5_000_000)]);
    expect(sha256(await uploadServer.content(id))).toBe(sha256(bytes));
  });
});

describe('a resumable upload that arrives slowly', () => {
  beforeAll(open({}));
  afterAll(close);
  afterEach(() => uploadServer.expectOrder());

  it('stays consistent when a lock is lost', async () => {
    const path = await tus.begin(1_000);
    const older = tus.open(path, 0, 1_000).send(Buffer.alloc(300, 'a'));
    await uploadServer.isAtWork();
    await server.sql('DELETE FROM upload_locks');
    expect((await tus.patch(path, 0, Buffer.alloc(500, 'b'))).status).toBe(204);
    older.send(Buffer.alloc(700, 'a'));
    await until(() => older.received !== '', 'the answer');
    expect(older.received).toMatch(/^HTTP\/1\.1 409 [\s\S]*UPLOAD_OFFSET_CONFLICT/);
    const { headers } = await tus.patch(path, 500, Buffer.alloc(500, 'b'));
    expect((await uploadServer.content(headers.get('x-file-id'))).toString()).toBe('b'.repeat(1_000));
    older.socket.destroy();
  });

  it('of another user is not found, and cannot be disturbed', async () => {
    const eve = new Tus((await server.registerUser('Eve')).api);
    const path = await tus.begin(1_000, { filename: 'secret' });
    const patch = tus.open(path, 0, 1_000).send(Buffer.alloc(600, 'a'));
    await uploadServer.isAtWork();
    expect((await eve.head(path)).status).toBe(404);
    expect(refusal(await eve.patch(path, 0, 'x'))).toBe('404 UPLOAD_NOT_FOUND');
    expect(refusal(await eve.send('DELETE', path))).toBe('404 UPLOAD_NOT_FOUND');
    expect(refusal(await eve.send('POST', path, { 'x-http-method-override': 'DELETE' }))).toBe('404 UPLOAD_NOT_FOUND');
    expect([...(await eve.head(path)).headers.keys()].filter((name) => name.startsWith('upload-'))).toEqual([]);
    for (let left = 400; left > 0; left -= 50) {
      await sleep(200); // 1.6 s in total: longer than a request may continue after it was asked to end
      expect(patch.received).toBe('');
      patch.send(Buffer.alloc(50, 'a'));
    }
    await until(() => patch.received.startsWith('HTTP/1.1 204'), 'the request to end as if nothing had been');
    patch.socket.destroy();
    const { status } = await new Tus(server.api).head(path);
    expect(status).toBe(401);
  });
});

describe('the limits of a resumable upload', () => {
  beforeAll(open({ FILE_MAX_SIZE: '5000', FILE_QUOTA: '10000', FILE_QUOTA_COUNT: '3' }));
  afterAll(close);
  afterEach(() => uploadServer.expectOrder());

  it('reserve the whole length at the creation', async () => {
    expect(refusal(await tus.create(5_001))).toBe('413 FILE_TOO_LARGE');
    const [one, two] = [await tus.begin(5_000), await tus.begin(4_999)];
    expect(refusal(await tus.create(2))).toBe('507 QUOTA_EXCEEDED');
    expect(await uploadServer.usage()).toEqual([9_999, 2]);
    const three = await tus.begin(1);
    expect(refusal(await tus.create(0))).toBe('507 QUOTA_EXCEEDED'); // the number of files is limited too
    expect((await uploadServer.fileServer.tryUpload(ada, 'x')).status).toBe(507);
    await tus.send('DELETE', two);
    await tus.send('DELETE', three);
    expect(await uploadServer.usage()).toEqual([5_000, 1]);
    await tus.send('DELETE', one);
    expect(await uploadServer.usage()).toEqual([0, 0]);
  });

  it('allow an upload to complete when only its reservation is left', async () => {
    const paths = [await tus.begin(5_000), await tus.begin(4_999), await tus.begin(1)];
    expect(await uploadServer.usage()).toEqual([10_000, 3]);
    const sizes = [5_000, 4_999, 1];
    const answers = await Promise.all(paths.map((path, at) => tus.patch(path, 0, randomBytes(sizes[at] as number))));
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204]);
    expect(await uploadServer.usage()).toEqual([10_000, 3]);
    for (const { id } of await uploadServer.files()) await ada.api.delete(`/api/files/${id}`);
    expect(await uploadServer.usage()).toEqual([0, 0]);
  });

  it('include those of its bucket', async () => {
    const root = await server.makeAdmin();
    const bucket = { name: 'small', maxFileSize: 100, userQuota: 150, allowedTypes: ['image/*'] };
    expect((await root.api.post('/api/buckets', bucket)).status).toBe(201);
    expect(refusal(await tus.create(101, { bucket: 'small' }))).toBe('413 FILE_TOO_LARGE');
    const path = await tus.begin(100, { bucket: 'small' });
    expect(refusal(await tus.create(51, { bucket: 'small' }))).toBe('507 QUOTA_EXCEEDED');
    const { body } = await ada.api.get<UsageDto>('/api/files/usage');
    expect(body.buckets).toContainEqual({ bucket: 'small', bytes: 100, files: 1 });
    await tus.send('DELETE', path);
  });

  it('remove an upload of a refused type as soon as its first bytes show the type', async () => {
    const root = await server.makeAdmin();
    expect((await root.api.post('/api/buckets', { name: 'pictures', allowedTypes: ['image/*'] })).status).toBe(201);
    const text = Buffer.alloc(4_200, 'x');
    const path = await tus.begin(4_900, { bucket: 'pictures', filetype: 'image/png' });
    expect((await tus.patch(path, 0, text.subarray(0, 100))).status).toBe(204); // too few to detect the type
    expect(refusal(await tus.patch(path, 100, text))).toBe('415 FILE_TYPE_NOT_ALLOWED');
    expect((await tus.head(path)).status).toBe(404);
    expect(await uploadServer.usage()).toEqual([0, 0]);
    const created = await tus.send('POST', '/api/uploads', { 'upload-length': '4900', 'upload-metadata': metadata({ bucket: 'pictures' }) }, text); // prettier-ignore
    expect(refusal(created)).toBe('415 FILE_TYPE_NOT_ALLOWED');
    const head = Buffer.from('89504e470d0a1a0a0000000d4948445200000001000000010806000000', 'hex');
    for (const rest of [Buffer.alloc(4_200), Buffer.alloc(4_200, 0xff)]) {
      const allowed = await tus.begin(4_900, { bucket: 'pictures' });
      expect((await tus.patch(allowed, 0, Buffer.concat([head, rest]))).status).toBe(204);
      await tus.send('DELETE', allowed);
    }
    expect([await uploadServer.usage(), await uploadServer.count('upload_segments')]).toEqual([[0, 0], 0]);
  });

  it.each([SNIFFED_BYTES - 1, SNIFFED_BYTES, SNIFFED_BYTES + 1])(
    'do not refuse a type because a request ends inside a character: after %d bytes',
    async (first) => {
      const bucket = `json-${first}`;
      const root = await server.makeAdmin();
      await root.api.post('/api/buckets', { name: bucket, allowedTypes: ['application/json'] });
      const bytes = Buffer.from(`"${'-'.repeat(first - 2)}é${'-'.repeat(100)}"`);
      const path = await tus.begin(bytes.length, { bucket, filetype: 'application/json' });
      expect(refusal(await tus.patch(path, 0, bytes.subarray(0, first)))).toBe(`204 ${first}`);
      const { headers } = await tus.patch(path, first, bytes.subarray(first));
      const id = headers.get('x-file-id') as string;
      expect(await uploadServer.files()).toContainEqual(expect.objectContaining({ id, mimeType: 'application/json' }));
      await ada.api.delete(`/api/files/${id}`);
    },
  );

  it('remove an upload that is refused at its end, and free its reserved quota', async () => {
    const path = await tus.begin(50, { bucket: 'small', filetype: 'image/png' });
    await tus.patch(path, 0, 'x'.repeat(49));
    const before = await uploadServer.files();
    expect(refusal(await tus.patch(path, 49, 'x'))).toBe('415 FILE_TYPE_NOT_ALLOWED');
    expect((await tus.head(path)).status).toBe(404);
    expect([await uploadServer.usage(), await uploadServer.files()]).toEqual([[0, 0], before]);
    expect(await uploadServer.count('upload_segments')).toBe(0);
  });
});

describe('the list of open uploads', () => {
  beforeAll(open());
  afterAll(close);

  interface Listed {
    items: Array<{ id: string; name: string; offset: number; length: number; expiresAt: string }>;
    nextCursor: string | null;
  }
  const list = async (query = ''): Promise<Listed> => (await ada.api.get<Listed>(`/api/uploads${query}`)).body;

  it('contains what a client needs to resume, page by page, and no uploads of other users', async () => {
    const eve = await server.registerUser('Eve');
    await new Tus(eve.api).begin(1);
    const paths: string[] = [];
    for (const filename of ['a.txt', 'b.txt', 'c.txt']) paths.push(await tus.begin(9, { filename }));
    await tus.patch(paths[1] as string, 0, 'abcd');
    await tus.complete(Buffer.from('x'));
    const expired = await tus.begin(1);
    await server.sql(`UPDATE uploads SET expires_at = now() WHERE id = '${idOf(expired)}'`);
    const first = await list('?limit=2&sort=expiresAt');
    const rest = await list(`?limit=2&sort=expiresAt&cursor=${first.nextCursor}`);
    expect([first.items.length, rest.nextCursor]).toEqual([2, null]);
    const found = [...first.items, ...rest.items];
    expect(found.map(({ id }) => id)).toEqual(paths.map(idOf));
    expect(found[1]).toMatchObject({ url: paths[1], name: 'b.txt', bucket: 'default', length: 9, offset: 4 });
    expect(Date.parse(found[1]!.expiresAt)).toBeGreaterThan(Date.now());
    expect((await list()).items.map(({ id }) => id)).toEqual(paths.map(idOf).reverse());
    expect((await ada.api.get('/api/uploads?cursor=x')).status).toBe(400);
    expect((await server.api.get('/api/uploads')).status).toBe(401);
  });
});

describe('the completion of an upload', () => {
  beforeAll(open());
  afterAll(close);

  /** Creates an upload with all bytes but no file, as if the server had died before it created the file. */
  async function completeWithoutFile(bytes: Buffer): Promise<string> {
    await server.sql(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING errcode = '57P01'; END $$`);
    await server.sql('CREATE TRIGGER fail BEFORE INSERT ON files EXECUTE FUNCTION fail()');
    const path = await tus.begin(bytes.length, { filename: 'a.bin' });
    expect(refusal(await tus.patch(path, 0, bytes))).toBe('503 SERVICE_UNAVAILABLE');
    await server.sql('DROP FUNCTION fail CASCADE');
    expect(await uploadServer.files()).toEqual([]);
    return path;
  } // prettier-ignore

  afterEach(async () => {
    for (const { id } of await uploadServer.files()) await ada.api.delete(`/api/files/${id}`);
  });

  it('that was interrupted is repeated by the next HEAD, once for any number of requests', async () => {
    const bytes = randomBytes(100_000);
    const path = await completeWithoutFile(bytes);
    const answers = await Promise.all(Array.from({ length: 10 }, () => tus.head(path)));
    const ids = new Set(answers.map(({ headers }) => headers.get('x-file-id')));
    expect(answers.map(({ status, headers }) => [status, headers.get('upload-offset')])).toEqual(
      answers.map(() => [200, '100000']),
    );
    const stored = await uploadServer.files();
    expect([...ids]).toEqual(stored.map(({ id }) => id));
    expect(stored).toMatchObject([{ sha256: sha256(bytes), name: 'a.bin' }]);
    expect(await uploadServer.usage()).toEqual([100_000, 1]);
  });

  it('that was interrupted is repeated by an empty PATCH too', async () => {
    const path = await completeWithoutFile(Buffer.from('abc'));
    const { status, headers } = await tus.patch(path, 3, '');
    expect([status, headers.get('x-file-id')]).toEqual([204, (await uploadServer.files())[0]?.id]);
    expect(await uploadServer.usage()).toEqual([3, 1]);
  });

  it('creates one file in any number of attempts, even without the lock', async () => {
    const path = await completeWithoutFile(randomBytes(5_000_000));
    const clear = setInterval(() => void server.sql('DELETE FROM upload_locks').catch(() => undefined), 5);
    const answers = await Promise.all(Array.from({ length: 6 }, () => tus.head(path)));
    clearInterval(clear);
    for (const { status } of answers) expect([200, 423, 503]).toContain(status);
    expect((await tus.head(path)).status).toBe(200);
    const stored = await uploadServer.files();
    expect(stored).toHaveLength(1);
    expect((await uploadServer.content(stored[0]?.id ?? '')).length).toBe(5_000_000);
    expect(await uploadServer.usage()).toEqual([5_000_000, 1]);
  });
});

describe('an expired upload', () => {
  beforeAll(open());
  afterAll(close);
  afterEach(() => uploadServer.expectOrder());

  const expire = (path: string) =>
    server.sql(`UPDATE uploads SET expires_at = now() - interval '1 s' WHERE id = $1`, idOf(path));

  it('returns 410, and 404 after the next sweep, and leaves nothing', async () => {
    const [late, other] = [await tus.begin(1_000), await tus.begin(500)];
    await tus.patch(late, 0, 'abc');
    await tus.patch(other, 0, 'abc');
    await expire(late);
    expect((await tus.head(late)).status).toBe(410);
    for (const answer of [await tus.patch(late, 3, 'def'), await tus.send('DELETE', late)])
      expect(refusal(answer)).toBe('410 UPLOAD_EXPIRED');
    expect((await uploadServer.usage())[0]).toBe(1_500);
    expect(await sweep()).toEqual({ removed: 1 });
    expect((await tus.head(late)).status).toBe(404);
    expect([await uploadServer.usage(), await tus.offset(other)]).toEqual([[500, 1], 3]);
    await tus.send('DELETE', other);
  });

  it('is not removed while a request still sends bytes', async () => {
    const path = await tus.begin(6);
    const patch = tus.open(path, 0, 6).send(Buffer.from('abc'));
    await uploadServer.isAtWork();
    await expire(path);
    expect(await sweep()).toEqual({ removed: 0 });
    patch.send(Buffer.from('def'));
    await until(() => patch.received !== '', 'the answer');
    expect(patch.received).toMatch(/^HTTP\/1\.1 204 [\s\S]*x-file-id: /);
    patch.socket.destroy();
  });

  it('that was completed is removed, and its file stays', async () => {
    const path = await tus.begin(3);
    const id = (await tus.patch(path, 0, 'abc')).headers.get('x-file-id');
    await expire(path);
    const before = await uploadServer.usage();
    await sweep();
    expect((await tus.head(path)).status).toBe(404);
    expect([(await uploadServer.content(id)).toString(), await uploadServer.usage()]).toEqual(['abc', before]);
    expect(await uploadServer.count('uploads')).toBe(0);
  });

  it('is removed by a schedule', async () => {
    const [schedule] = await server.sql<{ cron: string }>(`SELECT cron FROM schedules WHERE name = 'uploads.sweep'`);
    expect(schedule?.cron).toBe('*/10 * * * *');
  });
});

/** Returns the path of the first segment of the only upload. */
async function pathOfFirst(): Promise<string> {
  const [row] = await server.sql<{ key: string }>('SELECT storage_key AS key FROM upload_segments ORDER BY start');
  const key = row?.key as string;
  return join(uploadServer.fileServer.dataDir, 'files', key.slice(0, 2), key.slice(2, 4), key);
}

describe('the stored bytes of an incomplete upload', () => {
  const SECRET = 'the quick brown fox jumps over the lazy dog';

  async function standInClear(): Promise<boolean> {
    const folder = join(uploadServer.fileServer.dataDir, 'files');
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    const contents = await Promise.all(
      entries.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name))),
    );
    expect(contents.length).toBeGreaterThan(0);
    return contents.some((bytes) => bytes.includes(SECRET));
  }

  it.each([
    ['are unencrypted without a key', {}, true],
    ['are encrypted with a key', { FILE_ENCRYPTION_KEYS: KEYS }, false],
  ])('%s', async (_what, env, inClear) => {
    await open(env)();
    const text = `${SECRET}. `.repeat(50_000);
    const path = await tus.begin(text.length);
    await tus.patch(path, 0, text.slice(0, 1_000_000));
    expect(await standInClear()).toBe(inClear);
    const last = await tus.patch(path, 1_000_000, text.slice(1_000_000));
    expect(await standInClear()).toBe(inClear);
    expect((await uploadServer.content(last.headers.get('x-file-id'))).toString()).toBe(text);
    await close();
  });
});

describe.each([
  ['lost', (path: string) => rm(path)],
  ['truncated', (path: string) => truncate(path, 1_000)],
])('received bytes that are %s', (_how, harm) => {
  beforeAll(open());
  afterAll(close);

  it.each([
    ['would be merged into the next segment', 500_000],
    ['are a segment of their own', 2_000_000],
  ])('create no file when they %s', async (_where, first) => {
    const bytes = randomBytes(3_000_000);
    const path = await tus.begin(bytes.length);
    await tus.patch(path, 0, bytes.subarray(0, first));
    await harm(await pathOfFirst());
    expect(refusal(await tus.patch(path, first, bytes.subarray(first)))).toBe('410 UPLOAD_DAMAGED');
    expect(await uploadServer.files()).toEqual([]);
    expect((await tus.send('DELETE', path)).status).toBe(204);
    expect(await uploadServer.usage()).toEqual([0, 0]);
    await uploadServer.expectOrder();
  });
});

describe('received bytes', () => {
  beforeAll(open());
  afterAll(close);

  it('that were merged meanwhile are safe: a late request appends nothing', async () => {
    const bytes = randomBytes(3_000_000);
    const path = await tus.begin(bytes.length);
    await tus.patch(path, 0, bytes.subarray(0, 50_000));
    const [row] = await server.sql<{ key: string }>('SELECT storage_key AS key FROM upload_segments');
    const late = new PassThrough();
    const upload = { id: idOf(path) } as Upload;
    const appending = server.app.get(UploadSegments).append(upload, 50_000, late);
    await server.app.get(UploadsRepository).findLastSegment(upload.id); // the late request has read the same segment
    await tus.patch(path, 50_000, bytes.subarray(50_000, 2_000_000));
    await until(
      async () => !(await uploadServer.fileServer.storedNames()).includes(row!.key),
      'the first ones to be taken up',
    );
    late.end(bytes.subarray(50_000));
    await expect(appending).rejects.toMatchObject({ code: 'UPLOAD_OFFSET_CONFLICT' });
    expect(await tus.offset(path)).toBe(2_000_000);
    const { headers } = await tus.patch(path, 2_000_000, bytes.subarray(2_000_000));
    expect((await uploadServer.content(headers.get('x-file-id'))).equals(bytes)).toBe(true);
    await uploadServer.expectOrder();
  });

  it('that are missing for a while are used when they are back', async () => {
    const bytes = randomBytes(3_000_000);
    const path = await tus.begin(bytes.length);
    await tus.patch(path, 0, bytes.subarray(0, 2_000_000));
    const stands = await pathOfFirst();
    await rename(stands, `${stands}.away`);
    expect(refusal(await tus.patch(path, 2_000_000, bytes.subarray(2_000_000)))).toBe('410 UPLOAD_DAMAGED');
    expect(refusal(await tus.patch(path, 3_000_000, ''))).toBe('410 UPLOAD_DAMAGED');
    await rename(`${stands}.away`, stands);
    const { status, headers } = await tus.patch(path, 3_000_000, '');
    expect([status, (await uploadServer.content(headers.get('x-file-id'))).equals(bytes)]).toEqual([204, true]);
    // Removes the places of failed attempts.
    await server.app.get(TidyHandler).run({}, { signal: new AbortController().signal } as JobContext);
    await uploadServer.expectOrder();
  });
});

describe.each(S3_KINDS.filter(({ available }) => available))('with files in S3 ($name)', ({ start }) => {
  let s3: S3Server;
  beforeAll(async () => {
    s3 = await start();
    const { endpoint = '', region, bucket, credentials } = s3.config;
    await open({
      ...{ FILE_STORAGE: 's3', S3_ENDPOINT: endpoint, S3_REGION: region, S3_BUCKET: bucket },
      ...(credentials && { S3_ACCESS_KEY_ID: credentials.accessKeyId }),
      ...(credentials && { S3_SECRET_ACCESS_KEY: credentials.secretAccessKey }),
    })();
  }, 90_000);
  afterAll(async () => {
    await close();
    await s3.stop();
  });

  it('an interrupted and resumed upload becomes a file, and leaves no other object', async () => {
    const bytes = randomBytes(9 * MIB);
    const path = await tus.begin(bytes.length);
    const patch = tus.open(path, 0, bytes.length).send(bytes.subarray(0, 6 * MIB));
    await until(async () => (await uploadServer.count('upload_segments')) === 1, 'the first segment');
    patch.socket.destroy();
    const offset = await tus.offset(path);
    expect(offset).toBeGreaterThanOrEqual(4 * MIB);
    const small = await tus.patch(path, offset, bytes.subarray(offset, offset + 1_000));
    expect(small.status).toBe(204);
    const { headers } = await tus.patch(path, offset + 1_000, bytes.subarray(offset + 1_000));
    expect(sha256(await uploadServer.content(headers.get('x-file-id')))).toBe(sha256(bytes));
    await until(async () => {
      const objects = [];
      for await (const { key } of server.app.get(FileStorage).list()) objects.push({ storage_key: key });
      const blobs = await server.sql('SELECT storage_key FROM blobs');
      return JSON.stringify(objects) === JSON.stringify(blobs);
    }, 'the segments to be gone');
    expect(server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  });
});

describe('a large upload', () => {
  beforeAll(open());
  afterAll(close);

  it('of 200 MiB in one request uses less than 100 MiB of memory', async () => {
    const piece = randomBytes(MIB);
    const path = await tus.begin(200 * MIB);
    const patch = tus.open(path, 0, 200 * MIB);
    let peak = 0;
    const look = setInterval(() => (peak = Math.max(peak, process.memoryUsage.rss())), 20);
    const before = process.memoryUsage.rss();
    for (let sent = 0; sent < 200; sent++)
      if (!patch.socket.write(piece)) await new Promise((resolve) => patch.socket.once('drain', resolve));
    await until(() => patch.received !== '', 'the answer', 60_000);
    clearInterval(look);
    expect(patch.received).toMatch(/^HTTP\/1\.1 204 /);
    patch.socket.destroy();
    expect((peak - before) / MIB).toBeLessThan(100);
    expect((await uploadServer.files())[0]).toMatchObject({ size: 200 * MIB });
    await until(async () => (await uploadServer.fileServer.storedNames()).length === 1, 'the segments to be gone');
  }, 120_000);
});
