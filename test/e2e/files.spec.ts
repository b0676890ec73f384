// Checks files over HTTP: downloads equal uploads, failed uploads leave nothing, and hostile names and types are harmless.
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FileDto } from '../../src/files/dto/file.dto.js';
import type { FileEntity } from '../../src/files/file.entity.js';
import { FileIntake } from '../../src/files/file-intake.js';
import { FileReader } from '../../src/files/content/file-reader.js';
import { Transaction } from '../../src/shared/database/transaction.js';
import type { Answer, Page, Wire } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type File = Wire<FileDto>;

const MIB = 1_048_576;
const MOST = 16 * MIB;
const BOUNDARY = 'a-boundary';
const FORM_TYPE = { 'content-type': `multipart/form-data; boundary=${BOUNDARY}` };
const END = `\r\n--${BOUNDARY}--\r\n`;

let dataDir: string;
let server: TestServer;
let ada: Person;
let eve: Person;

async function start(env: Record<string, string>): Promise<void> {
  dataDir = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
  server = await startServer({ DATA_DIR: dataDir, ...env });
  ada = await server.registerUser('Ada');
  eve = await server.registerUser('Eve');
}

async function stop(): Promise<void> {
  await server.close();
  await rm(dataDir, { recursive: true, force: true });
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Returns the headers of a multipart part, as a client may write them. */
const partHead = (disposition: string, type = 'text/plain'): string =>
  `--${BOUNDARY}\r\nContent-Disposition: form-data; ${disposition}\r\nContent-Type: ${type}\r\n\r\n`;
const FILE_HEAD = partHead('name="file"; filename="a.txt"');

function post(body: string | Uint8Array, api = ada.api, query = ''): Promise<Answer<File>> {
  return api.request<File>('POST', `/api/files${query}`, body, { headers: FORM_TYPE });
}

async function upload(bytes: Uint8Array, disposition = 'filename="a.txt"', type?: string): Promise<File> {
  const head = Buffer.from(partHead(`name="file"; ${disposition}`, type));
  const { status, body } = await post(Buffer.concat([head, bytes, Buffer.from(END)]));
  expect([status, body]).toEqual([201, expect.anything()]);
  return body;
}

const download = (id: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
  fetch(`${server.url}/api/files/${id}/content`, {
    method,
    headers: { authorization: `Bearer ${ada.accessToken}`, ...headers },
  });

/** Returns the names of all files in the storage, finished or not. */
async function storedNames(): Promise<string[]> {
  const entries = await readdir(join(dataDir, 'files'), { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** Returns the storage files that this process holds open; an empty list on systems without /proc. */
async function openFiles(): Promise<string[]> {
  const descriptors = await readdir('/proc/self/fd').catch(() => []);
  const paths = await Promise.all(descriptors.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
  return paths.filter((path) => path.startsWith(dataDir));
}

const rows = async (): Promise<number> => (await server.sql<{ n: number }>('SELECT count(*)::int n FROM files'))[0]!.n;

/** Runs a failing operation, and checks that it leaves no bytes, rows, descriptors or error log lines. */
async function leavesNothing(work: () => Promise<void>): Promise<void> {
  const before = [(await storedNames()).sort(), await rows()];
  await work();
  await until(async () => (await openFiles()).length === 0, 'files to be closed');
  expect([(await storedNames()).sort(), await rows()]).toEqual(before);
  expect(server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
}

/** Sends the first part of an upload on its own socket, without the rest. */
async function beginUpload(): Promise<ReturnType<typeof connect>> {
  const before = (await storedNames()).length;
  const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
  socket.write(
    `POST /api/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.accessToken}\r\n` +
      `X-Request-Id: begun\r\nContent-Type: ${FORM_TYPE['content-type']}\r\nContent-Length: 900000\r\n\r\n${FILE_HEAD}`,
  );
  socket.write(randomBytes(300_000));
  await until(async () => (await storedNames()).length > before, 'the first bytes to be written');
  return socket;
}

describe('files with a limit of 16 MiB', () => {
  beforeAll(() => start({ FILE_MAX_SIZE: String(MOST), REQUEST_TIMEOUT: '1000', BODY_TIMEOUT: '500' }));
  afterAll(stop);

  describe('upload and download', () => {
    it('a download returns the uploaded bytes with their metadata', async () => {
      const bytes = randomBytes(3_000_001);
      const form = new FormData();
      form.append('file', new Blob([bytes], { type: 'application/pdf' }), 'Übersicht 2030.pdf');
      const response = await fetch(`${server.url}/api/files`, {
        method: 'POST',
        headers: { authorization: `Bearer ${ada.accessToken}` },
        body: form,
      });
      const file = (await response.json()) as File;
      expect([response.status, file]).toEqual([
        201,
        {
          id: expect.stringMatching(/^[0-9a-f-]{36}$/),
          name: 'Übersicht 2030.pdf',
          mimeType: 'application/octet-stream', // random bytes are not detected as a PDF
          declaredType: 'application/pdf',
          size: 3_000_001,
          sha256: sha256(bytes),
          bucket: 'default',
          createdAt: expect.stringMatching(/^\d{4}-.*Z$/),
          version: 1,
        },
      ]);
      expect(response.headers.get('etag')).toBe('"1"');
      expect(response.headers.get('location')).toBe(`/api/files/${file.id}`);
      expect(await ada.api.get(`/api/files/${file.id}`)).toMatchObject({ status: 200, body: file });

      const down = await download(file.id);
      expect(Buffer.compare(Buffer.from(await down.arrayBuffer()), bytes)).toBe(0);
      expect([down.status, Object.fromEntries(down.headers)]).toMatchObject([
        200,
        {
          'content-type': 'application/octet-stream',
          'content-length': '3000001',
          'content-disposition': `attachment; filename="Ubersicht 2030.pdf"; filename*=UTF-8''%C3%9Cbersicht%202030.pdf`,
          'content-security-policy': "sandbox; default-src 'none'",
          'x-content-type-options': 'nosniff',
          'cache-control': 'private, no-store',
          etag: `"${sha256(bytes)}"`,
          'x-request-id': expect.anything(),
        },
      ]);
    });

    it('a file may be empty, or have the maximum size', async () => {
      for (const size of [0, 1, MOST]) {
        const file = await upload(Buffer.alloc(size, 'x'));
        expect(file.size).toBe(size);
        const body = Buffer.from(await (await download(file.id)).arrayBuffer());
        expect([body.length, sha256(body)]).toEqual([size, file.sha256]);
      }
    });

    it('HEAD has the headers of GET, and a known ETag returns 304; neither holds the file open', async () => {
      const bytes = randomBytes(1_000_000);
      const { id, sha256: hash } = await upload(bytes);
      const [get, head] = [await download(id), await download(id, {}, 'HEAD')];
      await get.arrayBuffer();
      const without = ({ headers }: Response) =>
        Object.fromEntries([...headers].filter(([name]) => !/^(date|x-request-id|connection|keep-alive)$/.test(name)));
      expect([head.status, without(head)]).toEqual([200, without(get)]);
      for (const known of [`"${hash}"`, `W/"x", "${hash}"`, '*'])
        for (const method of ['GET', 'HEAD']) {
          const answer = await download(id, { 'if-none-match': known }, method);
          const { headers } = answer;
          expect([answer.status, await answer.text(), headers.get('etag'), headers.get('content-length')]).toEqual([
            304,
            '',
            `"${hash}"`,
            null,
          ]);
        }
      const other = await download(id, { 'if-none-match': '"1"' });
      expect([other.status, (await other.arrayBuffer()).byteLength]).toEqual([200, 1_000_000]);
      const known = await ada.api.get(`/api/files/${id}`, { headers: { 'if-none-match': '"1"' } });
      expect(known.status).toBe(304);
      await until(async () => (await openFiles()).length === 0, 'files to be closed');
    });

    it('a client that closes the connection during a download holds no file open', async () => {
      const { id } = await upload(randomBytes(MOST));
      const outgoing = httpRequest(`${server.url}/api/files/${id}/content`, {
        headers: { authorization: `Bearer ${ada.accessToken}` },
      }).end();
      const [incoming] = (await once(outgoing, 'response')) as [Readable];
      await once(incoming, 'readable'); // and reads no more: the pipe of the server is full
      if (process.platform === 'linux')
        await until(async () => (await openFiles()).length === 1, 'the file to be open');
      outgoing.destroy();
      await until(async () => (await openFiles()).length === 0, 'the file to be closed');
    });
  });

  const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex');
  const OCTETS = 'application/octet-stream';
  it.each([
    ['text', 'text/csv', 'a;b', 'text/csv', 'text/csv; charset=utf-8'],
    ['text', 'text/csv; charset=latin1', 'a;b', 'text/csv', 'text/csv; charset=utf-8'],
    ['text', 'IMAGE/PNG', 'a;b', OCTETS, OCTETS],
    ['text', 'application/javascript', 'alert(1)', 'application/javascript', OCTETS],
    ['text', 'text/plain, text/html', 'a;b', OCTETS, OCTETS],
    ['text', '<script>/x', 'a;b', OCTETS, OCTETS],
    ['text', `a/${'x'.repeat(99)}`, 'a;b', OCTETS, OCTETS],
    ['nothing', 'text/plain', '', 'text/plain', 'text/plain; charset=utf-8'],
    ['zeros', 'text/plain', Buffer.alloc(5_000), OCTETS, OCTETS],
    ['an HTML page', 'text/html', '<p>hello', 'text/html', OCTETS],
    ['an HTML page', 'text/plain', ' \n<!-- x --><SCRIPT>alert(1)</SCRIPT>', 'text/html', OCTETS],
    ['an HTML page', 'image/png', '<!doctype html>', 'text/html', OCTETS],
    ['an SVG', 'image/png', '<?xml version="1.0"?><svg onload="alert(1)"/>', 'image/svg+xml', OCTETS],
    ['a PNG', 'text/html', PNG, 'image/png', 'image/png'],
    ['a PDF', 'text/csv', '%PDF-1.7\n', 'application/pdf', 'application/pdf'],
    ['UTF-16', 'text/csv', Buffer.from('\uFEFFname;Zoë', 'utf16le'), 'text/csv', 'text/csv; charset=utf-16'],
    ['Windows-1252', 'text/csv', Buffer.from('name;Zoë', 'latin1'), 'text/csv', 'text/csv'],
    ['words', 'text/csv', 'MAC Address,Name', 'text/csv', 'text/csv; charset=utf-8'],
    ['an HTML page in Markdown', 'text/markdown', '<div>\n\n# Hello', 'text/markdown', OCTETS],
    ['an HTML page in UTF-16', 'text/plain', Buffer.from('\uFEFF<script>', 'utf16le'), 'text/html', OCTETS],
  ])('%s sent as %s is stored with its detected type', async (_what, sent, bytes, known, answered) => {
    const file = await upload(Buffer.from(bytes as string), 'filename="a"', sent);
    expect(file.mimeType).toBe(known);
    expect((await download(file.id)).headers.get('content-type')).toBe(answered);
  });

  it.each([
    ['', 'file', 'file'],
    ['  spaces .txt  ', 'spaces .txt', 'spaces%20.txt'],
    ['invoice\u202Egnp.exe', 'invoicegnp.exe', 'invoicegnp.exe'],
    ['two\u2028lines', 'twolines', 'twolines'],
    ['%2e%2e%2fx%0d%0aSet-Cookie: a=b', '%2e%2e%2fx%0d%0aSet-Cookie: a=b', '%252e%252e%252fx%250d%250aSet-Cookie%3A%20a%3Db'],
    [`it's (a) "file"*;.txt`, `it's (a) "file"*;.txt`, 'it%27s%20%28a%29%20%22file%22%2A%3B.txt'],
    ['e\u0301té.txt', 'été.txt', '%C3%A9t%C3%A9.txt'],
    ['報告書👩‍💻.pdf', '報告書👩‍💻.pdf', encodeURIComponent('報告書👩‍💻.pdf')],
    ['\u05D0\u05D1.txt', '\u05D0\u05D1.txt', '%D7%90%D7%91.txt'],
    ['__proto__', '__proto__', '__proto__'],
    [`${'😀'.repeat(300)}.txt`, `${'😀'.repeat(251)}.txt`, `${encodeURIComponent('😀'.repeat(251))}.txt`],
    [`${'a'.repeat(300)}.tar.gz`, `${'a'.repeat(248)}.tar.gz`, `${'a'.repeat(248)}.tar.gz`],
    [`${'a'.repeat(300)}. not an extension`, `${'a'.repeat(255)}`, 'a'.repeat(255)],
    ['a%22b%25.txt', 'a"b%25.txt', 'a%22b%2525.txt'],
  ])('the name %j is stored as %j', async (sent, kept, encoded) => {
    const quoted = sent.replace(/[\\"]/g, '\\$&');
    const file = await upload(Buffer.from('x'), `filename="${quoted}"`);
    expect(file.name).toBe(kept);
    const disposition = (await download(file.id)).headers.get('content-disposition');
    expect(disposition).toMatch(/^attachment; filename="[ !#$&-[\]-~]*"; filename\*=UTF-8''[\w!#$&+.^`|~%-]*$/);
    expect(disposition?.split("UTF-8''")[1]).toBe(encoded);
  }); // prettier-ignore

  it.each([
    ['\uFF0E\uFF0E\uFF0Fetc\uFF0Fcron.d\uFF0Fx', '.._etc_cron.d_x'],
    ['\u2025\uFF3Cx', '.._x'],
    ['\u2100\uFF02b', 'a_c_b'],
    ['\u2025', '_'],
  ])('%j is no path in the ASCII file name either', async (sent, ascii) => {
    const { id } = await upload(Buffer.from('x'), `filename="${sent}"`);
    expect((await download(id)).headers.get('content-disposition')).toContain(`; filename="${ascii}";`);
  });

  it('a name of any length counts against no byte limit', async () => {
    const root = await server.makeAdmin();
    await root.api.post('/api/buckets', { name: 'narrow', maxFileSize: 10, userQuota: 10 });
    const name = `${'😀'.repeat(255)}`;
    const { status } = await post(
      `${partHead(`name="file"; filename="${name}"`)}0123456789${END}`,
      ada.api,
      '?bucket=narrow',
    );
    expect(status).toBe(201);
  });

  it.each([
    '../../../no-such-folder/name.txt', // in a folder that does not exist, so that a server which uses the path writes nothing
    '..\\..\\boot.ini', 'C:\\Users\\ada\\cv.pdf', '/', '..', '.', 'a/..', 'a\0b.txt', 'tab\tescape\x1b[2J.txt', 'a\nb',
  ])('the invalid name %j is refused', (sent) =>
    leavesNothing(async () => {
      for (const filename of [`filename="${sent.replace(/[\\"]/g, '\\$&')}"`, `filename*=UTF-8''${encodeURIComponent(sent)}`]) {
        const { status, body } = await post(`${partHead(`name="file"; ${filename}`)}x${END}`);
        expect([sent, status, body]).toMatchObject([sent, 400, { code: expect.stringMatching(/^(VALIDATION_FAILED|BAD_REQUEST)$/) }]);
      }
    }),
  ); // prettier-ignore

  it.each([
    'filename="a\r\nSet-Cookie: b=c"', 'filename="a\r\n\r\n<script>"', 'filename="a\r\n folded"', 'filename="a\\"\r\nSet-Cookie: b=c"', "filename*=UTF-8''a%0D%0ASet-Cookie%3A%20b",
  ])('the name %j with a line break is refused', (filename) =>
    leavesNothing(async () => {
      for (const before of ['', 'preamble\r\n\r\n']) {
        const { status, headers, body } = await post(`${before}${partHead(`name="file"; ${filename}`)}x${END}`);
        expect([status, body, headers.get('set-cookie')]).toMatchObject([400, { code: expect.stringMatching(/^(VALIDATION_FAILED|BAD_REQUEST)$/) }, null]);
      }
    }),
  ); // prettier-ignore

  it('quotes and backslashes in a name do not end it', async () => {
    const file = await upload(Buffer.from('x\r\n"\r\n\r\n'), 'filename="a \\"b\\" c"');
    expect([file.name, file.size]).toEqual(['a "b" c', 8]);
  });

  describe('an upload form', () => {
    const invalid = { code: 'VALIDATION_FAILED', errors: [{ field: 'file', rule: 'isFile' }] };
    const broken = { code: 'BAD_REQUEST' };
    it.each<[string, string, object]>([
      ['an empty body', '', invalid],
      ['an empty form', `--${BOUNDARY}--\r\n`, invalid],
      [
        'a text field instead of the file',
        `${partHead('name="file"').replace(/Content-Type.*\r\n/, '')}x${END}`,
        invalid,
      ],
      ['text in the file field', `${partHead('name="file"')}x${END}`, invalid],
      ['text in the file field besides the file', `${FILE_HEAD}x\r\n${partHead('name="file"')}x${END}`, invalid],
      ['a text field without a name', `${partHead('x=y')}x\r\n${FILE_HEAD}x${END}`, invalid],
      ['a text field only', `${partHead('name="type"')}x${END}`, invalid],
      [
        'a long text field before the file',
        `${partHead('name="type"')}${'x'.repeat(4_097)}\r\n${FILE_HEAD}x${END}`,
        invalid,
      ],
      [
        'a long text field after the file',
        `${FILE_HEAD}x\r\n${partHead('name="type"')}${'x'.repeat(4_097)}${END}`,
        invalid,
      ],
      ['a text field with a long name', `${partHead(`name="${'n'.repeat(101)}"`)}x\r\n${FILE_HEAD}x${END}`, invalid],
      [
        'many text fields before the file',
        `${`${partHead('name="type"')}x\r\n`.repeat(11)}${FILE_HEAD}x${END}`,
        invalid,
      ],
      [
        'many text fields around the file',
        `${`${partHead('name="a"')}x\r\n`.repeat(6)}${FILE_HEAD}x\r\n${`${partHead('name="a"')}x\r\n`.repeat(5)}--${BOUNDARY}--\r\n`,
        invalid,
      ],
      [
        'a name with the line break of a browser',
        `${partHead('name="file"; filename="a%0D%0Ab"')}x${END}`,
        { code: 'VALIDATION_FAILED', errors: [{ field: 'filename' }] },
      ],
      ['a file in another field', `${partHead('name="photo"; filename="a"')}x${END}`, invalid],
      ['two files', `${FILE_HEAD}x\r\n${FILE_HEAD}y${END}`, invalid],
      ['a field named __proto__', `${partHead('name="__proto__"; filename="a"')}x${END}`, broken],
      ['no end boundary', `${FILE_HEAD}xyz`, broken],
      ['no boundary at all', 'nonsense', broken],
    ])('with %s returns 400 and leaves nothing', (_what, body, problem) =>
      leavesNothing(async () => expect(await post(body)).toMatchObject({ status: 400, body: problem })),
    );

    it('may have a few small text fields around the file, which are ignored; upload widgets send them', async () => {
      const text = (name: string, value: string) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
      const before = text('relativePath', 'null') + text('name', 'hello.txt') + text('type', '') + text('caption', 'x'.repeat(4_096));
      const file = `${partHead('name="file"; filename="a%22b.txt"')}hello\r\n`;
      const after = `${text('last', 'y').repeat(6)}--${BOUNDARY}--\r\n`;
      const { status, body } = await post(before + file + after);
      expect([status, body]).toMatchObject([201, { name: 'a"b.txt', size: 5, mimeType: 'text/plain' }]);
      expect(await (await download(body.id)).text()).toBe('hello');
      const encoded = await post(`${text('name', 'x')}${partHead(`name="file"; filename*=utf-8''a%2522b.txt`)}x${END}`);
      expect(encoded.body.name).toBe('a%22b.txt');
    }); // prettier-ignore

    it('may have no file name; the file gets one', async () => {
      const { status, body } = await post(`${partHead('name="file"', 'application/octet-stream')}x${END}`);
      expect([status, body.name]).toEqual([201, 'file']);
    });

    it('without a boundary returns 400, and with another media type 415, on this and other routes', async () => {
      const send = async (path: string, type: string | null, body: string) => {
        const headers: Record<string, string> = type === null ? {} : { 'content-type': type };
        const answer = await fetch(server.url + path, {
          method: 'POST',
          headers: { authorization: `Bearer ${ada.accessToken}`, ...headers },
          body: type === null ? null : body,
        });
        return `${answer.status} ${((await answer.json()) as { code: string }).code}`;
      };
      expect(await send('/api/files', 'multipart/form-data', 'x')).toBe('400 BAD_REQUEST');
      expect(await send('/api/files', null, '')).toBe('415 UNSUPPORTED_MEDIA_TYPE');
      for (const type of ['application/json', 'text/plain', 'application/octet-stream', 'multipart/mixed; boundary=x'])
        expect([type, await send('/api/files', type, '{}')]).toEqual([type, '415 UNSUPPORTED_MEDIA_TYPE']);
      expect(await send('/api/tasks', FORM_TYPE['content-type'], `${FILE_HEAD}x${END}`)).toBe(
        '415 UNSUPPORTED_MEDIA_TYPE',
      );
    });

    it('that is too large returns 413, with or without a declared length', () =>
      leavesNothing(async () => {
        const bytes = Buffer.concat([Buffer.from(FILE_HEAD), Buffer.alloc(MOST + 1), Buffer.from(END)]);
        expect(await post(bytes)).toMatchObject({ status: 413, body: { code: 'FILE_TOO_LARGE' } });
        expect(await post(Buffer.alloc(MOST + MIB))).toMatchObject({ status: 413, body: { code: 'FILE_TOO_LARGE' } });
        const pieces = function* () {
          yield Buffer.from(FILE_HEAD);
          for (let piece = 0; piece < 24; piece++) yield Buffer.alloc(MIB);
          yield Buffer.from(END);
        };
        const chunked = await fetch(`${server.url}/api/files`, {
          method: 'POST',
          headers: { authorization: `Bearer ${ada.accessToken}`, ...FORM_TYPE },
          body: Readable.from(pieces()),
          duplex: 'half',
        } as unknown as RequestInit);
        expect([chunked.status, await chunked.json()]).toMatchObject([413, { code: 'FILE_TOO_LARGE' }]);
      }));

    it.each([
      [
        'stays open after a refusal, once the rest of a small form has arrived',
        30_000,
        ['HTTP/1.1 400', 'HTTP/1.1 200'],
      ],
      ['is closed after the refusal of a large form', 3 * MIB, ['HTTP/1.1 400']],
    ])('leaves a connection that %s', (_what, size, answered) =>
      leavesNothing(async () => {
        const socket = connect(server.port, '127.0.0.1').on('error', () => undefined);
        const closed = new Promise((resolve) => socket.once('close', resolve)); // may happen before the refusal is noticed below
        const head = (line: string) => `${line} HTTP/1.1\r\nHost: localhost\r\n`;
        const form = Buffer.from(partHead('name="photo"; filename="a"') + 'x'.repeat(size) + END);
        let answers = '';
        socket.on('data', (chunk: Buffer) => (answers += chunk.toString()));
        socket.write(`${head('POST /api/files')}Authorization: Bearer ${ada.accessToken}\r\n`);
        socket.write(`Content-Type: ${FORM_TYPE['content-type']}\r\nContent-Length: ${form.length}\r\n\r\n`);
        socket.write(form.subarray(0, -1));
        await until(() => answers !== '', 'the refusal');
        socket.write(form.subarray(-1));
        socket.write(`${head('GET /ping')}Connection: close\r\n\r\n`);
        await closed;
        expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(answered);
      }),
    );

    it('without a token returns 401, and no byte is written', () =>
      leavesNothing(async () =>
        expect((await post(`${FILE_HEAD}x${END}`, server.api)).body).toMatchObject({ code: 'UNAUTHENTICATED' }),
      ));
  });

  describe('an incomplete upload leaves nothing', () => {
    it('when the client closes the connection', () =>
      leavesNothing(async () => {
        const before = (await storedNames()).length;
        (await beginUpload()).destroy();
        await until(async () => (await storedNames()).length === before, 'the bytes to be gone');
      }));

    it('when the client stops sending, which returns 408', () =>
      leavesNothing(async () => {
        const before = (await storedNames()).length;
        const socket = await beginUpload();
        const [answer] = (await once(socket, 'data')) as [Buffer];
        expect(answer.toString()).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"REQUEST_TIMEOUT"/);
        await once(socket.resume(), 'close');
        await until(async () => (await storedNames()).length === before, 'the bytes to be gone');
      }));

    it('when the database refuses the row', () =>
      leavesNothing(async () => {
        await server.sql(`ALTER TABLE files ADD CONSTRAINT no_poison CHECK (name <> 'poison.txt')`);
        const { status } = await post(`${partHead('name="file"; filename="poison.txt"')}x${END}`);
        expect(status).toBe(422);
      }));
  });

  it('an upload may take longer than any other request while its bytes keep arriving', async () => {
    const socket = await beginUpload();
    const length = 900_000 - FILE_HEAD.length - END.length;
    const began = performance.now();
    let left = length - 300_000;
    for (; left > 40_000; left -= 20_000) {
      socket.write(Buffer.alloc(20_000));
      await sleep(100); // 2.9 s in total: over REQUEST_TIMEOUT and BODY_TIMEOUT, but above the minimum rate
    }
    socket.write(Buffer.alloc(left));
    socket.write(END);
    const [answer] = (await once(socket, 'data')) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 201 /);
    expect(answer.toString()).toContain(`"size":${length}`);
    expect(performance.now() - began).toBeGreaterThan(2_500);
    socket.destroy();
  });

  it('the file of another user is not found by any request', async () => {
    const file = await upload(Buffer.from('a secret of Ada'));
    const { status } = await fetch(`${server.url}/api/files/${file.id}/content`, {
      headers: { authorization: `Bearer ${eve.accessToken}` },
    });
    expect(status).toBe(404);
    for (const [method, path] of [['GET', ''], ['GET', '/content'], ['DELETE', '']] as const) {
      const answer = await eve.api.request(method, `/api/files/${file.id}${path}`);
      expect(answer).toMatchObject({ status: 404, body: { code: 'FILE_NOT_FOUND' } });
    }
    expect((await eve.api.get<Page<File>>('/api/files')).body).toEqual({ items: [], nextCursor: null });
    expect(await (await download(file.id)).text()).toBe('a secret of Ada');
  }); // prettier-ignore

  it("the list pages through the caller's files in both orders", async () => {
    const grace = await server.registerUser('Grace');
    const names: string[] = [];
    for (const name of ['one', 'two', 'three', 'four', 'five']) {
      const { body } = await post(`${partHead(`name="file"; filename="${name}"`)}x${END}`, grace.api);
      names.push(body.name);
    }
    const walk = async (sort: string): Promise<string[]> => {
      const seen: string[] = [];
      for (let path: string | undefined = `/api/files?limit=2&sort=${sort}`; path !== undefined;) {
        const { body, headers }: Answer<Page<File>> = await grace.api.get(path);
        seen.push(...body.items.map(({ name }) => name));
        path = /<(.*)>/.exec(headers.get('link') ?? '')?.[1];
      }
      return seen;
    };
    expect(await walk('createdAt')).toEqual(names);
    expect(await walk('-createdAt')).toEqual(names.toReversed());
    expect((await grace.api.get('/api/files?sort=size')).status).toBe(400);
    expect((await grace.api.get('/api/files?cursor=x')).body.code).toBe('INVALID_CURSOR');
  });

  it('a deleted file is not found; a deletion with an outdated ETag is refused', async () => {
    const { id } = await upload(Buffer.from('x'));
    const remove = (headers: Record<string, string>) => ada.api.delete(`/api/files/${id}`, { headers });
    expect(await remove({ 'if-match': '"7"' })).toMatchObject({ status: 412, body: { code: 'VERSION_STALE' } });
    expect((await remove({ 'if-match': '"1"' })).status).toBe(204);
    for (const path of [`/api/files/${id}`, `/api/files/${id}/content`])
      expect(await ada.api.get(path)).toMatchObject({ status: 404, body: { code: 'FILE_NOT_FOUND' } });
    expect((await remove({})).status).toBe(404);
    const { body } = await ada.api.get<Page<File>>('/api/files?limit=100');
    expect(body.items.map((file) => file.id)).not.toContain(id);
  });

  describe('a file written by another feature module', () => {
    const receive = async <T>(text: string, work: (add: () => Promise<FileEntity>) => Promise<T>) =>
      server.app
        .get(FileIntake)
        .receive(await owner(), Readable.from([text]), { name: '../r.csv', mimeType: 'text/csv' }, work);
    const owner = async () => {
      const [row] = await server.sql<{ id: string }>('SELECT id FROM users WHERE uuid = $1', ada.user.id);
      return { id: ada.user.id, key: row!.id };
    };

    it('appears with the commit of its transaction', async () => {
      const files = server.app.get(FileReader);
      const before = await rows();
      const file = await receive('a;b', (add) =>
        server.app.get(Transaction).run(async () => {
          const added = await add();
          expect(await rows()).toBe(before);
          return added;
        }),
      );
      expect(await (await download(file.uuid)).text()).toBe('a;b');
      const { stream } = await files.open(await owner(), file.uuid);
      expect(await stream.toArray()).toEqual([Buffer.from('a;b')]);
      await expect(files.open({ ...(await owner()), key: '1' }, file.uuid)).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      });
    });

    it('is not kept when the transaction is rolled back', () =>
      leavesNothing(async () => {
        const failing = receive('never seen', (add) =>
          server.app.get(Transaction).run(async () => {
            await add();
            throw new Error('the job failed');
          }),
        );
        await expect(failing).rejects.toThrow('the job failed');
      }));

    it('keeps its bytes when the answer to its COMMIT is lost', async () => {
      let uuid = '';
      const transaction = server.app.get(Transaction);
      const receiving = receive('committed all the same', (add) =>
        transaction.run(async () => {
          ({ uuid } = await add());
          const runner = transaction.manager.queryRunner!;
          const commit = runner.commitTransaction.bind(runner);
          runner.commitTransaction = async () => {
            await commit();
            throw new Error('Connection terminated unexpectedly');
          };
        }),
      );
      await expect(receiving).rejects.toThrow('Connection terminated unexpectedly');
      expect(await (await download(uuid)).text()).toBe('committed all the same');
    });

    it('has the size limit that the caller sets', () =>
      leavesNothing(async () => {
        const options = { name: 'a', mimeType: 'text/plain', maxBytes: 3 };
        const receiving = server.app.get(FileIntake).receive(await owner(), Readable.from(['1234']), options);
        await expect(receiving).rejects.toMatchObject({ code: 'FILE_TOO_LARGE' });
      }));
  });
});
