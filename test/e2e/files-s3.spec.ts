// Checks files stored in S3: upload, download, sweep and deletion, unencrypted, encrypted, and with redirects to S3.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { FileStorage } from '../../src/storage/file-storage.js';
import { FileServer, sha256 } from '../support/files/file-server.js';
import { runJob } from '../support/jobs/job-requests.js';
import { S3_KINDS, type S3Server } from '../support/engines/s3-servers.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

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
