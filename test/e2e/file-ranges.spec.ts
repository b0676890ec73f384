// Checks partial downloads (ranges, conditions and HEAD of RFC 9110), of unencrypted and encrypted files.
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FileServer, sha256, type StoredFile } from '../support/files/file-server.js';
import { below, seeded } from '../support/fuzz/random.js';
import type { Person } from '../support/server/server.js';

const KEY = `k1:${randomBytes(32).toString('base64')}`;

describe.each([
  ['unencrypted', {}],
  ['encrypted', { FILE_ENCRYPTION_KEYS: KEY }],
])('a file stored %s', (kind, env: Record<string, string>) => {
  const bytes = randomBytes(300_001);
  const etag = `"${sha256(bytes)}"`;
  let fileServer: FileServer;
  let ada: Person;
  let file: StoredFile;
  beforeAll(async () => {
    fileServer = await FileServer.open(env);
    ada = await fileServer.server.registerUser('Ada');
    file = await fileServer.upload(ada, bytes, { type: 'application/octet-stream' });
  });
  afterAll(() => fileServer.close());

  const get = (range: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Response> =>
    fileServer.content(ada, file.id, { range, ...headers }, method);
  const bodyOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

  it('is on the disk in that form', async () => {
    const stored = await readFile(await fileServer.pathOf(file.id));
    expect(stored.includes(bytes.subarray(1_000, 1_064))).toBe(kind === 'unencrypted');
  });

  it('returns 500 random ranges with the right bytes', async () => {
    const random = seeded(5);
    for (let round = 0; round < 500; round++) {
      const start = below(random, bytes.length);
      const end = Math.min(bytes.length - 1, start + below(random, 140_000));
      const response = await get(`bytes=${start}-${end}`);
      expect(response.status).toBe(206);
      expect(response.headers.get('content-range')).toBe(`bytes ${start}-${end}/${bytes.length}`);
      expect(response.headers.get('content-length')).toBe(String(end - start + 1));
      expect((await bodyOf(response)).equals(bytes.subarray(start, end + 1))).toBe(true);
    }
  });

  it('returns several ranges in one response, each with its position', async () => {
    const response = await get('bytes=0-9,65530-65545,-5');
    const [, boundary] =
      /^multipart\/byteranges; boundary=(\w+)$/.exec(response.headers.get('content-type') ?? '') ?? [];
    const body = await bodyOf(response);
    expect(response.status).toBe(206);
    expect(response.headers.get('content-length')).toBe(String(body.length));
    const part = (start: number, end: number): Buffer =>
      Buffer.concat([
        Buffer.from(
          `--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${start}-${end}/${bytes.length}\r\n\r\n`,
        ),
        bytes.subarray(start, end + 1),
        Buffer.from('\r\n'),
      ]);
    const last = bytes.length - 1;
    const expected = [part(0, 9), part(65_530, 65_545), part(last - 4, last), Buffer.from(`--${boundary}--\r\n`)];
    expect(body.equals(Buffer.concat(expected))).toBe(true);
  });

  it('returns 416 for a range beyond its end, with its length', async () => {
    const response = await get(`bytes=${bytes.length}-`);
    expect([response.status, response.headers.get('content-range')]).toEqual([416, `bytes */${bytes.length}`]);
    expect(await response.json()).toMatchObject({ code: 'FILE_RANGE_NOT_SATISFIABLE' });
    for (const name of ['etag', 'content-disposition', 'accept-ranges'])
      expect([name, response.headers.get(name)]).toEqual([name, null]); // they belong to the file, not to the problem
  });

  it('returns the range with If-Range while it is unchanged, else the whole file', async () => {
    expect((await get('bytes=0-9', { 'if-range': etag })).status).toBe(206);
    for (const other of ['"x"', `W/${etag}`, new Date().toUTCString()]) {
      const response = await get('bytes=0-9', { 'if-range': other });
      expect([response.status, (await bodyOf(response)).length]).toEqual([200, bytes.length]);
    }
  });

  it('ignores an invalid Range; HEAD ignores ranges; 304 comes before a range', async () => {
    for (const range of ['lines=1-2', 'bytes=9-1', 'bytes=x'])
      expect([(await get(range)).status, range]).toEqual([200, range]);
    const head = await get('bytes=0-9', {}, 'HEAD');
    expect([head.status, head.headers.get('content-length')]).toEqual([200, String(bytes.length)]);
    expect((await get('bytes=0-9', { 'if-none-match': etag })).status).toBe(304);
  });

  it('that is empty returns the whole file, and 416 for a range', async () => {
    const empty = await fileServer.upload(ada, '');
    expect([(await fileServer.content(ada, empty.id)).status, empty.size]).toEqual([200, 0]);
    expect((await fileServer.content(ada, empty.id, { range: 'bytes=0-' })).status).toBe(416);
    expect((await fileServer.content(ada, empty.id, { range: 'bytes=-5' })).status).toBe(416);
  });

  it('returns no range to another user', async () => {
    const eve = await fileServer.server.registerUser('Eve');
    for (const range of ['bytes=0-9', 'bytes=0-1,5-6', `bytes=${bytes.length}-`])
      expect((await fileServer.content(eve, file.id, { range })).status).toBe(404);
    expect((await fileServer.content(null, file.id, { range: 'bytes=0-9' })).status).toBe(404);
    expect((await fileServer.content(null, file.id, { authorization: 'Bearer x' })).status).toBe(401);
  });

  if (kind === 'encrypted')
    it('with a byte changed on the disk is refused at the start, or cut off before that byte', async () => {
      const changed = await fileServer.upload(ada, randomBytes(3_000_000), { type: 'application/octet-stream' });
      const path = await fileServer.pathOf(changed.id);
      const stored = await readFile(path);
      stored[2_500_000]! ^= 1;
      await writeFile(path, stored);
      expect((await fileServer.content(ada, changed.id, { range: 'bytes=0-9' })).status).toBe(206);
      await expect(fileServer.content(ada, changed.id).then((response) => response.arrayBuffer())).rejects.toThrow();
      expect(fileServer.server.log.some((line) => line.includes('Failed to read a file to its end'))).toBe(true);
      await fileServer.server.sql('UPDATE blobs SET damaged_at = NULL'); // as if the damage had not been noticed
      const refused = await fileServer.content(ada, changed.id, { range: 'bytes=2500000-2500009' });
      expect([refused.status, await refused.json()]).toMatchObject([410, { code: 'FILE_DAMAGED' }]);
      expect((await fileServer.content(ada, changed.id, { range: 'bytes=0-9' })).status).toBe(410); // the damage is recorded now
    });
});
