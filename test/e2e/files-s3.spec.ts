// Checks files stored in S3: upload, download, sweep and deletion, unencrypted, encrypted, with redirects, and slow uploads.
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { PartMemory } from '../../src/storage/drivers/part-memory.js';
import { FileStorage } from '../../src/storage/file-storage.js';
import { FileServer, sha256 } from '../support/files/file-server.js';
import { runJob } from '../support/jobs/job-requests.js';
import { S3_KINDS, type S3Server } from '../support/engines/s3-servers.js';
import { Tus } from '../support/http/tus.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const MIB = 2 ** 20;
const KEY = `k1:${randomBytes(32).toString('base64')}`;

for (const { name, available, start } of S3_KINDS)
  (available ? describe : describe.skip)(`files in S3 at ${name}`, () => {
    let s3: S3Server;
    beforeAll(async () => void (s3 = await start()));
    afterAll(() => s3?.stop());

    async function open(env: Record<string, string>): Promise<[FileServer, Person]> {
      const { endpoint = '', region, bucket, credentials } = s3.config;
      const fileServer = await FileServer.open({
        ...{ FILE_STORAGE: 's3', S3_ENDPOINT: endpoint, S3_REGION: region, S3_BUCKET: bucket },
        ...{
          S3_ACCESS_KEY_ID: credentials?.accessKeyId ?? '',
          S3_SECRET_ACCESS_KEY: credentials?.secretAccessKey ?? '',
        },
        ...{ S3_PREFIX: `test-${randomBytes(6).toString('hex')}`, ...env },
      });
      return [fileServer, await fileServer.server.registerUser('Ada')];
    }

    it.each([
      ['unencrypted', {}],
      ['encrypted', { FILE_ENCRYPTION_KEYS: KEY }],
    ])(
      '%s files are uploaded in parts, downloaded whole and in ranges, swept and deleted',
      async (_kind, env: Record<string, string>) => {
        const [fileServer, ada] = await open(env);
        const bytes = randomBytes(11_000_003);
        const file = await fileServer.upload(ada, bytes, { type: 'application/octet-stream' });
        expect(file.sha256).toBe(sha256(bytes));
        const whole = await fileServer.content(ada, file.id);
        expect(sha256(Buffer.from(await whole.arrayBuffer()))).toBe(file.sha256);
        const part = await fileServer.content(ada, file.id, { range: 'bytes=5000000-6000000' });
        expect([part.status, Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(5_000_000, 6_000_001))]).toEqual([206, true]); // prettier-ignore
        const root = await fileServer.server.makeAdmin();
        const sweep = await runJob(root, 'files.sweep', { minAgeHours: 0 });
        expect(sweep.result).toMatchObject({ orphans: 0, lost: 0, miscounted: 0, mischarged: 0 });
        await ada.api.delete(`/api/files/${file.id}`);
        const left = async (): Promise<number> => {
          let count = 0;
          for await (const { size } of fileServer.server.app.get(FileStorage).list()) count += size > 0 ? 1 : 0;
          return count;
        };
        await until(async () => (await left()) === 0, 'the bytes to go');
        await fileServer.close();
      },
    );

    it.each([
      ['unencrypted', {}],
      ['encrypted', { FILE_ENCRYPTION_KEYS: KEY }],
    ])('slow %s uploads make space for the upload of another network', async (_kind, env: Record<string, string>) => {
      const [fileServer, ada] = await open(env);
      const storage = fileServer.server.app.get(FileStorage);
      const memory = new PartMemory({ maxBytes: 20 * MIB, slowMs: 200, waitMs: 30_000 });
      Object.assign(storage, { memory });
      const tus = new Tus(ada.api);
      const path = await tus.begin(6 * MIB);
      const resumable = tus.open(path, 0, 6 * MIB).send(randomBytes(5.1 * MIB)); // one segment of 4 MiB, and 1.1 MiB of the next
      const segments = (): Promise<unknown[]> => fileServer.server.sql('SELECT 1 FROM upload_segments');
      await until(async () => (await segments()).length === 1, 'the first segment to be stored');
      await until(() => memory.usedBytes === 2 * MIB, 'the second segment to begin');
      const slow = Array.from({ length: 9 }, () => new FormUpload(ada, '127.0.0.1').send(randomBytes(1.1 * MIB)));
      await until(() => memory.usedBytes === 20 * MIB, 'the memory to be used up');
      const other = new FormUpload(ada, '127.5.5.5').send(randomBytes(FormUpload.SIZE));
      await until(() => other.status !== undefined, 'the answer to the other upload');
      expect(other.status).toBe(201);
      const refused = (): FormUpload[] => slow.filter(({ status }) => status === 503);
      await until(() => refused().length === 2, 'the refusals');
      expect(refused()[0]?.received).toMatch(/Retry-After: 1\r\n[\s\S]*"code":"SERVICE_UNAVAILABLE"/i);
      expect(resumable.received).toMatch(/^HTTP\/1\.1 503 [\s\S]*"code":"SERVICE_UNAVAILABLE"/);
      expect(await tus.offset(path)).toBe(4 * MIB);
      expect(slow.filter(({ status }) => status === undefined)).toHaveLength(7);
      for (const { socket } of slow) socket.destroy();
      await until(() => memory.usedBytes === 0, 'the memory to be free');
      await tus.send('DELETE', path);
      const leases = (): Promise<unknown[]> => fileServer.server.sql('SELECT 1 FROM storage_leases');
      await until(async () => (await leases()).length === 0, 'the leases to end');
      const sizes: number[] = [];
      for await (const { size } of storage.list()) sizes.push(size);
      expect(sizes).toHaveLength(1);
      await fileServer.close();
    });

    it('with S3_REDIRECT, S3 itself serves a download with our type and disposition; we serve an encrypted file', async () => {
      const [fileServer, ada] = await open({ S3_REDIRECT: 'true' });
      const { id } = await fileServer.upload(ada, 'hello from afar', { name: 'ünter.txt' });
      const headers = { authorization: `Bearer ${ada.accessToken}` };
      const ours = await fetch(`${fileServer.server.url}/api/files/${id}/content`, { headers, redirect: 'manual' });
      expect([ours.status, ours.headers.get('cache-control')]).toEqual([302, 'no-store']);
      const theirs = await fetch(ours.headers.get('location') ?? '', { headers: { range: 'bytes=6-9' } });
      expect([theirs.status, await theirs.text(), theirs.headers.get('content-type')]).toEqual([206, 'from', 'text/plain; charset=utf-8']); // prettier-ignore
      expect(theirs.headers.get('content-disposition')).toBe(
        `attachment; filename="unter.txt"; filename*=UTF-8''%C3%BCnter.txt`,
      );
      const head = await fetch(`${fileServer.server.url}/api/files/${id}/content`, {
        method: 'HEAD',
        headers,
        redirect: 'manual',
      });
      expect([head.status, head.headers.get('content-length')]).toEqual([200, '15']);
      const eve = await fileServer.server.registerUser('Eve');
      expect((await fileServer.content(eve, id)).status).toBe(404);
      await fileServer.close();
      const [sealed, bob] = await open({ S3_REDIRECT: 'true', FILE_ENCRYPTION_KEYS: KEY });
      const file = await sealed.upload(bob, 'not for S3');
      expect(await (await sealed.content(bob, file.id, {}, 'GET')).text()).toBe('not for S3');
      await sealed.close();
    });
  });

/** A form with one file, sent from an address of this machine as slowly as the test likes. */
class FormUpload {
  static readonly SIZE = 3 * MIB;
  readonly socket: Socket;
  received = '';

  constructor({ api, accessToken }: Person, localAddress: string) {
    const head = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\n';
    const end = '\r\n--b--\r\n';
    this.socket = connect({ port: Number(new URL(api.url).port), host: '127.0.0.1', localAddress });
    this.socket.on('error', () => undefined).on('data', (data) => (this.received += data.toString()));
    this.socket.write(
      `POST /api/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${accessToken}\r\n` +
        `Content-Type: multipart/form-data; boundary=b\r\n` +
        `Content-Length: ${head.length + FormUpload.SIZE + end.length}\r\n\r\n${head}`,
    );
  }

  get status(): number | undefined {
    const [, status] = /^HTTP\/1\.1 (\d+) /.exec(this.received) ?? [];
    return status === undefined ? undefined : Number(status);
  }

  send(bytes: Buffer): this {
    this.socket.write(bytes);
    if (bytes.length === FormUpload.SIZE) this.socket.write('\r\n--b--\r\n');
    return this;
  }
}
