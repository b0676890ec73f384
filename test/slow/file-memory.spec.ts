// Checks that a large file passes through a server process, up and down, with little memory.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Api, Tokens } from '../support/http/api.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import type { StoredFile } from '../support/files/file-server.js';
import { DataDir, killAll, ServerProcess } from '../support/server/server-process.js';

jest.setTimeout(120_000);

const MIB = 1_048_576;
/** Size of the file, in MiB; bench/files.mjs does the same with 2 GiB. */
const SIZE = 512;
/** Maximum growth of the memory, in MiB. */
const MOST = 150;

const KEY = `k1:${randomBytes(32).toString('base64')}`;

describe.each([
  ['unencrypted', {}],
  ['encrypted', { FILE_ENCRYPTION_KEYS: KEY }],
])('a file stored %s:', (_kind, env: Record<string, string>) => {
  const dataDir = new DataDir();
  let database: ClonedDatabase;
  let server: ServerProcess;
  let api: Api;
  beforeAll(async () => {
    database = await cloneDatabase();
    server = new ServerProcess(dataDir, { DATABASE_URL: database.url, SHUTDOWN_DELAY: '0', ...env });
    api = await server.ready();
  });
  afterAll(async () => {
    await killAll();
    dataDir.remove();
    await database.drop();
  });

  const rss = (): number =>
    Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]) / 1024;
  const withProc = process.platform === 'linux' ? it : it.skip;

  withProc(`${SIZE} MiB are uploaded and downloaded unchanged with less than ${MOST} MiB of memory`, async () => {
    const account = { email: 'ada@example.com', password: 'correct horse battery staple', name: 'Ada' };
    const { accessToken } = (await api.post<Tokens>('/api/auth/register', account)).body;
    const authorization = `Bearer ${accessToken}`;
    const chunk = randomBytes(MIB);
    const hash = createHash('sha256');
    const before = rss();
    let peak = 0;
    const look = setInterval(() => (peak = Math.max(peak, rss())), 20);
    const chunks = function* (): Generator<Buffer> {
      yield Buffer.from('--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n');
      for (let sent = 0; sent < SIZE; sent++) {
        hash.update(chunk);
        yield chunk;
      }
      yield Buffer.from('\r\n--b--\r\n');
    };
    const answer = await fetch(`${api.url}/api/files`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'multipart/form-data; boundary=b' },
      body: Readable.from(chunks()),
      duplex: 'half',
    } as unknown as RequestInit);
    const file = (await answer.json()) as StoredFile;
    const expected = hash.digest('hex');
    expect([answer.status, file.size, file.sha256]).toEqual([201, SIZE * MIB, expected]);
    const received = createHash('sha256');
    const content = await fetch(`${api.url}/api/files/${file.id}/content`, { headers: { authorization } });
    for await (const chunk of content.body!) received.update(chunk as Uint8Array);
    clearInterval(look);
    expect(received.digest('hex')).toBe(expected);
    expect(peak - before).toBeLessThan(MOST);
    expect(peak).toBeGreaterThan(50); // the memory was measured
  });
});
