// Checks a full disk: the upload fails with a clear error, leaves nothing behind, and uploads work again when there is space.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FileServer } from '../support/files/file-server.js';
import type { Person } from '../support/server/server.js';

/** Mounts a file system of 4 MiB; returns undefined without the permission to mount one. */
function mountSmall(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-small-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
}

const small = mountSmall();
afterAll(() => {
  if (small === undefined) return;
  execFileSync('umount', ['-l', small]);
  rmSync(small, { recursive: true });
});

(small === undefined ? describe.skip : describe)('on a file system of 4 MiB (root may mount one)', () => {
  let fileServer: FileServer;
  let ada: Person;
  beforeAll(async () => {
    fileServer = await FileServer.open({ DATA_DIR: small ?? '' });
    ada = await fileServer.server.registerUser('Ada');
  });
  afterAll(() => fileServer.close());

  const usage = async (): Promise<unknown> => {
    const { body } = await ada.api.get<{ bytes: number; files: number }>('/api/files/usage');
    return [body.bytes, body.files];
  };
  const FULL = { status: 507, body: { code: 'FILE_STORAGE_FULL' } };

  it('an upload that does not fit returns 507 and leaves nothing', async () => {
    const before = await usage();
    expect(await fileServer.tryUpload(ada, randomBytes(6_000_000))).toMatchObject(FULL);
    expect(await usage()).toEqual(before);
    expect(await fileServer.server.sql('SELECT * FROM storage_leases')).toEqual([]);
    const bytes = randomBytes(2_000_000);
    const { id } = await fileServer.upload(ada, bytes);
    const content = await fileServer.content(ada, id);
    expect(Buffer.from(await content.arrayBuffer()).equals(bytes)).toBe(true);
    await ada.api.delete(`/api/files/${id}`);
  });

  it('a resumable upload that does not fit returns 507 and keeps the bytes that fitted', async () => {
    const tus = { 'tus-resumable': '1.0.0' };
    const created = await ada.api.request('POST', '/api/uploads', undefined, {
      headers: { ...tus, 'upload-length': '9000000' },
    });
    const path = created.headers.get('location') as string;
    const part = { ...tus, 'content-type': 'application/offset+octet-stream', 'upload-offset': '0' };
    expect(await ada.api.request('PATCH', path, randomBytes(9_000_000), { headers: part })).toMatchObject(FULL);
    const { status, headers } = await ada.api.request('HEAD', path, undefined, { headers: tus });
    expect([status, Number(headers.get('upload-offset')) <= 4 * 1_048_576]).toEqual([200, true]);
    expect((await ada.api.request('DELETE', path, undefined, { headers: tus })).status).toBe(204);
    expect(await fileServer.server.sql(`SELECT 1 FROM storage_leases WHERE reason = 'WRITE'`)).toEqual([]);
  });
});
