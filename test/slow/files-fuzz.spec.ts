// Checks fuzzed upload forms: each returns a 4xx or is stored completely, never a 5xx, and failed ones leave nothing.
import { readdir, readlink, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { deflateRawSync } from 'node:zlib';
import type { Page } from '../support/http/api.js';
import { FileServer, type StoredFile } from '../support/files/file-server.js';
import { fuzzedForm } from '../support/fuzz/form-fuzz.js';
import { seeded } from '../support/fuzz/random.js';
import { send, sendBytes } from '../support/http/raw-http.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(900_000); // ten thousand requests, also on a busy machine

const COUNT = 10_000;

let fileServer: FileServer;
let ada: Person;
beforeAll(async () => {
  fileServer = await FileServer.open({ BODY_TIMEOUT: '500' });
  ada = await fileServer.server.registerUser('Ada');
});
afterAll(() => fileServer.close());

const authorization = (): Record<string, string> => ({ authorization: `Bearer ${ada.accessToken}` });

/** Checks that the storage and the tables match, and that nothing is open, reserved or logged as an error. */
async function expectClean(): Promise<void> {
  const spare = (): Promise<unknown[]> => fileServer.server.sql('SELECT * FROM storage_leases');
  await until(async () => (await spare()).length === 0, 'spare bytes to go');
  const known = await fileServer.server.sql<{ storage_key: string }>('SELECT storage_key FROM blobs UNION ALL SELECT storage_key FROM thumbnails'); // prettier-ignore
  expect((await fileServer.storedNames()).sort()).toEqual(known.map((row) => row.storage_key).sort());
  const open = async (): Promise<string[]> => {
    const links = await readdir('/proc/self/fd').catch(() => []);
    const paths = await Promise.all(links.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')));
    return paths.filter((path) => path.startsWith(fileServer.dataDir));
  };
  await until(async () => (await open()).length === 0, 'files to be closed');
  expect(fileServer.server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
}

it(`each of ${COUNT} fuzzed forms returns a 4xx, or a file with all its bytes`, async () => {
  const random = seeded(29);
  const counts = new Map<number, number>();
  const bad: unknown[] = [];
  let sent = 0;
  const client = async (): Promise<void> => {
    while (sent++ < COUNT) {
      const { contentType, body } = fuzzedForm(random);
      const headers = { ...authorization(), 'content-type': contentType };
      const answer = await send(fileServer.server.port, { method: 'POST', path: '/api/files', headers, body });
      counts.set(answer.status, (counts.get(answer.status) ?? 0) + 1);
      const isKnown = answer.status === 201 || (answer.status >= 400 && answer.status < 500);
      const isProblem =
        answer.status === 201 || /^application\/problem\+json/.test(answer.headers['content-type'] ?? '');
      if (!isKnown || !isProblem) bad.push([contentType, body.toString('latin1').slice(0, 500), answer]);
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  expect(bad).toEqual([]);
  expect(counts.get(201)).toBeGreaterThan(500);
  expect((counts.get(400) ?? 0) + (counts.get(415) ?? 0)).toBeGreaterThan(2_000);
  await expectClean();
  const [rows] = await fileServer.server.sql<{ n: number }>('SELECT count(*)::int AS n FROM files');
  expect(rows!.n).toBe(counts.get(201));
  const unsafe = await fileServer.server.sql(`SELECT name FROM files WHERE name ~ '[\\x01-\\x1f/\\\\\\x7f]' OR name IN ('', '.', '..') OR name ~ '\u202e'`); // prettier-ignore
  expect(unsafe).toEqual([]);
});

it('every stored file is downloaded as an attachment that a browser does not run', async () => {
  let cursor: string | null = null;
  let seen = 0;
  do {
    const { body }: { body: Page<StoredFile> } = await ada.api.get<Page<StoredFile>>(`/api/files?limit=100${cursor === null ? '' : `&cursor=${cursor}`}`); // prettier-ignore
    cursor = seen < 500 ? body.nextCursor : null;
    for (const file of body.items) {
      const response = await fileServer.content(ada, file.id);
      expect([response.status, (await response.arrayBuffer()).byteLength]).toEqual([200, file.size]);
      expect(response.headers.get('content-disposition')).toMatch(/^attachment; filename="[^"\r\n]*"; filename\*=UTF-8''[\w.!~%*'()-]+$/); // prettier-ignore
      expect(response.headers.get('content-type')).not.toMatch(/html|svg|xml|javascript/);
      seen++;
    }
  } while (cursor !== null);
  expect(seen).toBeGreaterThan(300);
  for (const path of ['decoy', '../decoy']) await expect(stat(join(tmpdir(), path))).rejects.toThrow('ENOENT');
});

it('forms with a wrong, missing or duplicate Content-Length are refused', async () => {
  const form = '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nhello\r\n--b--\r\n';
  const head = (length: string): string =>
    `POST /api/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${ada.accessToken}\r\nContent-Type: multipart/form-data; boundary=b\r\n${length}\r\n`;
  const before = (await fileServer.storedNames()).length;
  for (const length of [form.length + 1_000, 10 ** 12, 9_007_199_254_740_991, form.length - 20, 0, 1]) {
    const answer = await sendBytes(fileServer.server.port, `${head(`Content-Length: ${length}\r\n`)}\r\n${form}`);
    expect([length, answer?.status]).toEqual([length, expect.any(Number)]);
    expect(answer!.status).toBeGreaterThanOrEqual(400);
    expect(answer!.status).not.toBe(500);
    expect(answer!.status).not.toBe(503);
  }
  for (const length of ['Content-Length: -1\r\n', 'Content-Length: x\r\n', 'Content-Length: 5\r\nContent-Length: 6\r\n', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', 'Transfer-Encoding: x\r\n', '']) {
    const answer = await sendBytes(fileServer.server.port, `${head(length)}\r\n${form}`);
    expect([length, answer?.status]).toEqual([length, 400]);
  } // prettier-ignore
  await expectClean();
  expect((await fileServer.storedNames()).length).toBe(before);
});

it('a zip bomb is stored as it is and never inflated', async () => {
  const zeros = deflateRawSync(Buffer.alloc(200_000_000));
  const zip = Buffer.concat([Buffer.from('504b03041400000008000000000000000000', 'hex'), Buffer.alloc(12), zeros]);
  const before = process.memoryUsage.rss();
  const file = await fileServer.upload(ada, zip, { name: 'bomb.zip', type: 'application/zip' });
  expect([file.mimeType, file.size]).toEqual(['application/zip', zip.length]);
  expect(process.memoryUsage.rss() - before).toBeLessThan(150 * 1_048_576); // inflating it takes 200 MB
});
