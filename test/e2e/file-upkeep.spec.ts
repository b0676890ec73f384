// Checks storage maintenance: lost, damaged and orphaned bytes or rows are found, reported and repaired.
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import sharp from 'sharp';
import { StorageSettings } from '../../src/storage/storage.settings.js';
import { BlobMover } from '../../src/storage/blobs/blob-mover.js';
import { BlobsRepository } from '../../src/storage/blobs/blobs.repository.js';
import { KeyCheck } from '../../src/storage/blobs/key-check.js';
import { Keyring } from '../../src/storage/blobs/keyring.js';
import { Sealer } from '../../src/storage/blobs/sealed-bytes.js';
import { StorageLeases } from '../../src/storage/blobs/storage-leases.js';
import { FileIntake } from '../../src/files/file-intake.js';
import { Transaction } from '../../src/shared/database/transaction.js';
import { testConfig } from '../support/config.js';
import { FileServer, type StoredFile } from '../support/files/file-server.js';
import { type Job, runJob } from '../support/jobs/job-requests.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

const [K1, K2] = [1, 2].map(() => randomBytes(32).toString('base64')) as [string, string];

let fileServer: FileServer;
let ada: Person;
let root: Person;

async function open(env: Record<string, string> = {}): Promise<void> {
  // No lease is renewed in a test; the tests end them in the database.
  fileServer = await FileServer.open({ FILE_LEASE: '600000', ...env });
  ada = await fileServer.server.registerUser('Ada');
  root = await fileServer.server.makeAdmin();
}

const run = async (type: string, payload: object = {}): Promise<Job['result']> => {
  const { status, result, error } = await runJob(root, type, payload);
  expect([status, error]).toEqual(['SUCCEEDED', null]);
  return result;
};
const NOTHING = { dryRun: false, orphans: 0, mended: 0, lost: 0, thumbnails: 0, miscounted: 0, mischarged: 0 };
const sweep = (payload: object = {}) => run('files.sweep', { minAgeHours: 0, ...payload });
const textOf = async ({ id }: StoredFile): Promise<string> => (await fileServer.content(ada, id)).text();

describe('the maintenance of files', () => {
  beforeAll(() => open());
  afterAll(() => fileServer.close());

  it('is started only by callers with the permission to maintain files', async () => {
    for (const type of ['files.tidy', 'files.sweep', 'files.verify', 'files.rekey'])
      expect((await ada.api.post('/api/jobs', { type })).status).toBe(403);
    expect((await root.api.post('/api/jobs', { type: 'files.sweep', payload: { dryRun: 'yes' } })).status).toBe(400);
    expect((await root.api.post('/api/jobs', { type: 'files.purge', payload: { fileId: randomUUID() } })).status).toBe(400); // prettier-ignore
  });

  it('finds nothing when all is well', async () => {
    await fileServer.upload(ada, 'sound');
    expect(await sweep()).toEqual(NOTHING);
  });

  /** Receives a file; calls `between` with its storage key after its bytes are stored, and before its row is added. */
  async function receive(text: string, expectedBytes: number, between: (storageKey: string) => Promise<void>) {
    const { server } = fileServer;
    const [row] = await server.sql<{ id: string }>('SELECT id FROM users WHERE uuid = $1', ada.user.id);
    const options = { name: 'a', mimeType: 'text/plain', expectedBytes };
    const owner = { id: ada.user.id, key: row!.id };
    return server.app.get(FileIntake).receive(owner, Readable.from([text]), options, async (add) => {
      const [lease] = await server.sql<{ storage_key: string }>('SELECT storage_key FROM storage_leases');
      await between(lease!.storage_key);
      return server.app.get(Transaction).run(add);
    });
  }

  it('removes the bytes of a dead writer when its lease expires, and frees the quota', async () => {
    const { body: before } = await ada.api.get<{ bytes: number }>('/api/files/usage');
    const written = receive('x'.repeat(700), 500, async (storageKey) => {
      expect(await fileServer.storedNames()).toContain(storageKey);
      expect((await ada.api.get<{ bytes: number }>('/api/files/usage')).body.bytes).toBe(before.bytes + 500);
      await run('files.tidy');
      expect(await fileServer.storedNames()).toContain(storageKey); // the lease of the writer has not expired

      await fileServer.server.sql(`UPDATE storage_leases SET expires_at = now()`); // as if the process had died
      await run('files.tidy');
      expect(await fileServer.storedNames()).not.toContain(storageKey);
      expect((await ada.api.get('/api/files/usage')).body).toEqual(before);
    });
    await expect(written).rejects.toMatchObject({ code: 'FILE_WRITE_LOST', status: 503 });
    expect(await fileServer.server.sql('SELECT * FROM storage_leases')).toEqual([]);
    expect(await sweep()).toEqual(NOTHING);
  });

  it('leaves nothing of a writer that lost its lease and wrote on after the sweep', async () => {
    const before = await fileServer.storedNames();
    const written = receive('late', 0, async (storageKey) => {
      const path = join(fileServer.dataDir, 'files', storageKey.slice(0, 2), storageKey.slice(2, 4), storageKey);
      const bytes = await readFile(path);
      await fileServer.server.sql('UPDATE storage_leases SET expires_at = now()');
      await run('files.tidy');
      await writeFile(path, bytes);
      expect(await fileServer.storedNames()).toContain(storageKey);
    });
    await expect(written).rejects.toMatchObject({ code: 'FILE_WRITE_LOST' });
    expect(await fileServer.storedNames()).toEqual(before);
    expect(await fileServer.server.sql('SELECT * FROM storage_leases')).toEqual([]);
  });

  it('removes the new bytes of a blob that was moved elsewhere meanwhile', async () => {
    await fileServer.upload(ada, 'moved');
    const [blob] = await fileServer.server.app.get(BlobsRepository).listAfter('0', 1);
    const before = await fileServer.storedNames();
    const { signal } = new AbortController();
    const isMoved = await fileServer.server.app
      .get(BlobMover)
      .move({ ...blob!, storageKey: randomUUID() }, blob!, signal);
    expect([isMoved, (await fileServer.storedNames()).sort()]).toEqual([false, before.sort()]);
    expect(await fileServer.server.sql('SELECT * FROM storage_leases')).toEqual([]);
  });

  it('keeps one copy when two uploads store the same content at once under different storage keys', async () => {
    const [blobs, leases, transaction] = [fileServer.server.app.get(BlobsRepository), fileServer.server.app.get(StorageLeases), fileServer.server.app.get(Transaction)]; // prettier-ignore
    const owner = { id: ada.user.id, key: '1' };
    const [{ storageKey: first }, { storageKey: second }] = [await leases.beginUncharged(), await leases.beginUncharged()]; // prettier-ignore
    const bytes = { size: 4, sha256: 'f'.repeat(64) };
    let commit = (): void => undefined;
    const gate = new Promise<void>((open) => (commit = open));
    let isSettled = false;
    const one = transaction.run(async () => {
      const settled = await blobs.settle(owner, { ...bytes, storageKey: first, keyId: null });
      isSettled = true;
      return gate.then(() => settled);
    });
    await until(() => isSettled, 'the first one');
    const other = transaction.run(() => blobs.settle(owner, { ...bytes, storageKey: second, keyId: 'k9' }));
    const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    await until(async () => (await fileServer.server.sql(waits)).length > 0, 'the other one to wait');
    commit();
    expect([await one, await other]).toMatchObject([{ isDuplicate: false }, { isDuplicate: false }]);
    expect(await fileServer.server.sql('SELECT storage_key, key_id, reference_count AS n FROM blobs WHERE sha256 = $1', bytes.sha256)).toEqual([{ storage_key: second, key_id: 'k9', n: 2 }]); // prettier-ignore
    expect(await fileServer.server.sql('SELECT storage_key, reason FROM storage_leases')).toEqual([{ storage_key: first, reason: 'DELETE' }]); // prettier-ignore
    for (const table of ['storage_leases', 'blobs WHERE reference_count = 2']) await fileServer.server.sql(`DELETE FROM ${table}`); // prettier-ignore
  });

  it('quarantines bytes without a row and removes them a week later; young bytes and foreign files stay', async () => {
    const lost = randomUUID();
    const young = randomUUID();
    for (const key of [lost, young]) {
      const path = join(fileServer.dataDir, 'files', key.slice(0, 2), key.slice(2, 4), key);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, 'whose am I?');
      if (key === lost) await utimes(path, 1_000_000_000, 1_000_000_000);
    }
    await writeFile(join(fileServer.dataDir, 'files', 'README'), 'not ours');
    expect(await sweep({ dryRun: true, minAgeHours: 24 })).toEqual({ ...NOTHING, dryRun: true, orphans: 1 });
    expect(await sweep({ minAgeHours: 24 })).toEqual({ ...NOTHING, orphans: 1 });
    expect(await sweep({ minAgeHours: 24 })).toEqual(NOTHING);
    expect(await fileServer.storedNames()).toContain(lost);
    const leases = await fileServer.server.sql(`SELECT storage_key, reason, expires_at > now() + interval '6 days' AS later FROM storage_leases`); // prettier-ignore
    expect(leases).toEqual([{ storage_key: lost, reason: 'QUARANTINE', later: true }]);
    await fileServer.server.sql(`UPDATE storage_leases SET expires_at = now()`); // as if the process had died
    await run('files.tidy');
    expect(await fileServer.storedNames()).not.toContain(lost);
    expect(await fileServer.storedNames()).toEqual(expect.arrayContaining([young, 'README']));
    expect(await sweep()).toEqual({ ...NOTHING, orphans: 1 });
  });

  it('recreates lost or truncated thumbnails, and leaves nothing of the old ones', async () => {
    const image = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'teal' } })
      .png()
      .toBuffer();
    const { id } = await fileServer.upload(ada, Buffer.from(image), { name: 'a.png', type: 'image/png' });
    const thumbnail = async (): Promise<number> => (await ada.api.request('GET', `/api/files/${id}/thumbnail`)).status;
    await until(async () => (await thumbnail()) === 200, 'the thumbnail');
    const rows = await fileServer.server.sql<{ key: string }>('SELECT storage_key AS key FROM thumbnails');
    const [lost, cut] = rows.map(({ key }) => join(fileServer.dataDir, 'files', key.slice(0, 2), key.slice(2, 4), key));
    await rm(lost as string);
    await truncate(cut as string, 5);
    expect(await sweep({ dryRun: true })).toEqual({ ...NOTHING, dryRun: true, thumbnails: 2 });
    expect(await sweep()).toEqual({ ...NOTHING, thumbnails: 2 });
    await run('files.tidy');
    expect(await fileServer.storedNames()).not.toContain(basename(cut as string));
    await until(async () => (await thumbnail()) === 200, 'the thumbnail again');
    expect(await sweep()).toEqual(NOTHING);
    await ada.api.delete(`/api/files/${id}`);
  });

  it('finds damaged thumbnails with files.verify', async () => {
    const image = await sharp({ create: { width: 30, height: 20, channels: 3, background: 'navy' } })
      .png()
      .toBuffer();
    const { id } = await fileServer.upload(ada, Buffer.from(image), { name: 'b.png', type: 'image/png' });
    const thumbnail = async (): Promise<number> => (await ada.api.request('GET', `/api/files/${id}/thumbnail`)).status;
    await until(async () => (await thumbnail()) === 200, 'the thumbnail');
    const [{ key = '', bytes = 0 } = {}] = await fileServer.server.sql<{ key: string; bytes: number }>('SELECT storage_key AS key, bytes::int FROM thumbnails'); // prettier-ignore
    await writeFile(join(fileServer.dataDir, 'files', key.slice(0, 2), key.slice(2, 4), key), 'x'.repeat(bytes));
    expect(await run('files.verify')).toMatchObject({ damaged: 0, thumbnails: 1 });
    expect(await run('files.verify')).toMatchObject({ damaged: 0, thumbnails: 0 });
    await ada.api.delete(`/api/files/${id}`);
  });

  it('inspects repaired bytes again, so that they can get a thumbnail', async () => {
    const image = await sharp({ create: { width: 40, height: 20, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const upload = (): Promise<StoredFile> =>
      fileServer.upload(ada, Buffer.from(image), { name: 'c.png', type: 'image/png' });
    const { id } = await upload();
    const thumbnail = async (): Promise<number> => (await ada.api.request('GET', `/api/files/${id}/thumbnail`)).status;
    await until(async () => (await thumbnail()) === 200, 'the thumbnail');
    await fileServer.server.sql('DELETE FROM thumbnails');
    await fileServer.server.sql('UPDATE blobs SET thumbnails_refused = true, damaged_at = now() WHERE sha256 = (SELECT sha256 FROM files WHERE uuid = $1)', id); // prettier-ignore
    const again = await upload();
    await until(async () => (await thumbnail()) === 200, 'the thumbnail again');
    for (const one of [id, again.id]) await ada.api.delete(`/api/files/${one}`);
    await run('files.sweep', { minAgeHours: 0 }); // for the rows that were deleted without the API
    await fileServer.server.sql('UPDATE storage_leases SET expires_at = now()');
    await run('files.tidy');
  });

  it('reports rows without bytes, refuses them as damaged, and repairs them from an upload of the same content', async () => {
    const file = await fileServer.upload(ada, 'will be lost');
    await rm(await fileServer.pathOf(file.id));
    expect(await sweep({ dryRun: true })).toMatchObject({ lost: 1 });
    expect(await sweep()).toEqual({ ...NOTHING, lost: 1 });
    const refused = await fileServer.content(ada, file.id);
    expect([refused.status, await refused.json()]).toMatchObject([410, { code: 'FILE_DAMAGED' }]);
    expect(await run('files.verify')).toMatchObject({ damaged: 1, damagedFiles: [file.id] });
    await fileServer.upload(ada, 'will be lost', { name: 'again' });
    expect(await textOf(file)).toBe('will be lost');
    expect(await sweep()).toEqual(NOTHING);
    expect(await run('files.verify')).toMatchObject({ damaged: 0, damagedFiles: [] });
  });

  it('repairs a lost file from an upload of its content, even when the loss was not noticed before', async () => {
    const [file, read] = [await fileServer.upload(ada, 'nobody knows'), await fileServer.upload(ada, 'a reader knows')];
    for (const { id } of [file, read]) await rm(await fileServer.pathOf(id));
    expect((await fileServer.content(ada, read.id)).status).toBe(410);
    for (const text of ['nobody knows', 'a reader knows'])
      expect(await textOf(await fileServer.upload(ada, text, { name: 'again' }))).toBe(text);
    expect([await textOf(file), await textOf(read)]).toEqual(['nobody knows', 'a reader knows']);
    expect(await sweep()).toEqual(NOTHING);
  });

  it('verifies every byte, finds a changed and a truncated file, and accepts restored bytes', async () => {
    const [flipped, cut, fine] = [await fileServer.upload(ada, 'flip me'), await fileServer.upload(ada, 'cut me'), await fileServer.upload(ada, 'fine')]; // prettier-ignore
    await writeFile(await fileServer.pathOf(flipped.id), 'Flip me');
    await truncate(await fileServer.pathOf(cut.id), 3);
    expect(await run('files.verify', { fileId: fine.id })).toMatchObject({ verified: 1, damaged: 0 });
    expect(await run('files.verify')).toMatchObject({ damaged: 2, damagedFiles: [flipped.id, cut.id] });
    for (const { id } of [flipped, cut]) expect((await fileServer.content(ada, id)).status).toBe(410);
    expect(await textOf(fine)).toBe('fine');
    await writeFile(await fileServer.pathOf(flipped.id), 'flip me');
    expect(await run('files.verify')).toMatchObject({ damaged: 1, damagedFiles: [cut.id] });
    expect(await textOf(flipped)).toBe('flip me');
    for (const file of [cut, flipped]) await ada.api.delete(`/api/files/${file.id}`);
    const unknown = await runJob(root, 'files.verify', { fileId: randomUUID() });
    expect(unknown).toMatchObject({ status: 'FAILED', error: { code: 'FILE_NOT_FOUND' } });
  });

  it('corrects wrong counts, and purges a deleted file whose purge job was lost', async () => {
    const [one, two] = [await fileServer.upload(ada, 'one of us'), await fileServer.upload(ada, 'one of us')];
    await until(
      async () =>
        (await fileServer.server.sql(`SELECT 1 FROM storage_leases WHERE reason = 'DELETE' AND expires_at <= now()`))
          .length === 0,
      'the spare bytes to go',
    );
    const { body: usage } = await ada.api.get('/api/files/usage');
    await fileServer.server.sql(`UPDATE blobs SET reference_count = reference_count + 5 WHERE sha256 = $1`, one.sha256);
    await fileServer.server.sql(`UPDATE storage_usages SET bytes = bytes + 1, files = files - 1`);
    expect(await sweep({ dryRun: true })).toMatchObject({ miscounted: 1, mischarged: 1 });
    expect(await sweep()).toEqual({ ...NOTHING, miscounted: 1, mischarged: 1 });
    expect((await ada.api.get('/api/files/usage')).body).toEqual(usage);
    const path = await fileServer.pathOf(one.id);
    await ada.api.delete(`/api/files/${one.id}`);
    await fileServer.server.sql(`UPDATE files SET deleted_at = now() WHERE uuid = $1`, two.id); // without a purge job
    await run('files.tidy');
    await until(() => readFile(path).then(() => false, () => true), 'the bytes to go'); // prettier-ignore
    expect(await sweep()).toEqual({ ...NOTHING, mischarged: 1 }); // the SQL above deleted the file without giving back its quota
    expect(await sweep()).toEqual(NOTHING);
  });

  it('does not take a missing storage folder for the loss of all files', async () => {
    const file = await fileServer.upload(ada, 'still here');
    const folder = join(fileServer.dataDir, 'files');
    await rename(folder, `${folder}.away`);
    const { status, error } = await runJob(root, 'files.sweep');
    expect([status, error?.code]).toEqual(['FAILED', 'FILE_STORAGE_FOREIGN']);
    const untilReadyIs = (status: string) =>
      until(async () => {
        const answer = await root.api.get<{ status: string; details: object }>('/health/ready');
        return answer.body.status === status && answer;
      }, `a look at the storage that finds it ${status}`);
    await rm(folder, { recursive: true, force: true });
    await writeFile(folder, 'a file where the folder should be');
    expect(await untilReadyIs('degraded')).toMatchObject({ status: 200, body: { details: { files: { status: 'degraded' } } } }); // prettier-ignore
    await rm(folder);
    await rename(`${folder}.away`, folder);
    expect(await untilReadyIs('ok')).toMatchObject({ status: 200, body: { details: { files: { status: 'up', kind: 'local' } } } }); // prettier-ignore
    expect(await textOf(file)).toBe('still here');
    expect(await runJob(root, 'files.rekey')).toMatchObject({ status: 'FAILED', error: { code: 'FILE_NO_ENCRYPTION_KEY' } }); // prettier-ignore
  });
});

it('bytes that one owner lost are repaired from another owner with the same content', async () => {
  await open();
  const eve = await fileServer.server.registerUser('Eve');
  const [mine, hers] = [await fileServer.upload(ada, 'shared luck'), await fileServer.upload(eve, 'shared luck')];
  await rm(await fileServer.pathOf(mine.id));
  expect(await sweep({ dryRun: true })).toMatchObject({ mended: 1, lost: 0 });
  expect(await sweep()).toEqual({ ...NOTHING, mended: 1 });
  expect(await textOf(mine)).toBe('shared luck');
  await writeFile(await fileServer.pathOf(hers.id), 'SHARED LUCK');
  expect(await run('files.verify')).toMatchObject({ mended: 1, damaged: 0 });
  expect(await (await fileServer.content(eve, hers.id)).text()).toBe('shared luck');
  await fileServer.close();
});

it('after a key change, files with the old key or without encryption are read until all are encrypted with the new one', async () => {
  await open({ FILE_ENCRYPTION_KEYS: `k2:${K2},k1:${K1}` });
  const [old, clear, fresh] = [await fileServer.upload(ada, 'old'), await fileServer.upload(ada, 'clear'), await fileServer.upload(ada, 'fresh')]; // prettier-ignore
  const oldRing = new Keyring(testConfig('', { FILE_ENCRYPTION_KEYS: `k1:${K1}` }).get(StorageSettings));
  const path = await fileServer.pathOf(old.id);
  const sealed = await buffer(
    Readable.from([Buffer.from('old')]).pipe(new Sealer(oldRing.keyOf('k1', basename(path)))),
  );
  await writeFile(path, sealed);
  await writeFile(await fileServer.pathOf(clear.id), 'clear');
  await fileServer.server.sql(`UPDATE blobs SET key_id = CASE sha256 WHEN $1 THEN 'k1' END WHERE sha256 IN ($1, $2)`, old.sha256, clear.sha256); // prettier-ignore
  for (const [file, text] of [[old, 'old'], [clear, 'clear'], [fresh, 'fresh']] as const) expect(await textOf(file)).toBe(text); // prettier-ignore

  expect(await run('files.rekey')).toEqual({
    keyId: 'k2',
    rekeyed: 2,
    failed: 0,
    thumbnails: 0,
    damagedLeft: 0,
    uploadsLeft: 0,
  });
  expect(await fileServer.server.sql('SELECT DISTINCT key_id FROM blobs')).toEqual([{ key_id: 'k2' }]);
  for (const [file, text] of [[old, 'old'], [clear, 'clear'], [fresh, 'fresh']] as const) expect(await textOf(file)).toBe(text); // prettier-ignore
  await fileServer.server.sql(`UPDATE storage_leases SET expires_at = now()`);
  await run('files.tidy');
  expect(await fileServer.storedNames()).toHaveLength(3);
  expect(await sweep()).toEqual(NOTHING);
  for (const name of await fileServer.storedNames()) {
    const stored = await readFile(join(fileServer.dataDir, 'files', name.slice(0, 2), name.slice(2, 4), name), 'utf8');
    for (const text of ['old', 'clear', 'fresh']) expect(stored).not.toContain(text);
  }
  await fileServer.close();
});

it('content that is uploaded again is encrypted with the current key, however it was stored before', async () => {
  await open({ FILE_ENCRYPTION_KEYS: `k2:${K2}` });
  const file = await fileServer.upload(ada, 'once in clear');
  const path = await fileServer.pathOf(file.id);
  await writeFile(path, 'once in clear');
  await fileServer.server.sql('UPDATE blobs SET key_id = NULL');
  expect(await textOf(file)).toBe('once in clear');
  const again = await fileServer.upload(ada, 'once in clear', { name: 'again' });
  expect(await fileServer.server.sql('SELECT key_id, reference_count AS n FROM blobs')).toEqual([
    { key_id: 'k2', n: 2 },
  ]);
  expect([await textOf(file), await textOf(again)]).toEqual(['once in clear', 'once in clear']);
  await fileServer.server.sql(`UPDATE storage_leases SET expires_at = now()`);
  await run('files.tidy');
  await expect(readFile(path)).rejects.toThrow('ENOENT');
  expect(await sweep()).toEqual(NOTHING);
  await fileServer.close();
});

it('one unreadable blob does not stop the re-encryption of the others', async () => {
  await open({ FILE_ENCRYPTION_KEYS: `k2:${K2}` });
  const files = [
    await fileServer.upload(ada, 'one'),
    await fileServer.upload(ada, 'two'),
    await fileServer.upload(ada, 'three'),
  ];
  for (const [at, { id }] of files.entries())
    await writeFile(await fileServer.pathOf(id), ['one', 'two', 'three'][at]!);
  await fileServer.server.sql('UPDATE blobs SET key_id = NULL');
  await rm(await fileServer.pathOf(files[0]!.id));
  expect(await run('files.rekey')).toMatchObject({ rekeyed: 2, failed: 1, damagedLeft: 1 });
  await fileServer.close();
});

it('a wrong key and a missing key are reported at the start, and no file is changed', async () => {
  await open({ FILE_ENCRYPTION_KEYS: `k1:${K1}` });
  await fileServer.upload(ada, 'sealed');
  const start = (keys: string) => {
    const settings = testConfig('', { FILE_ENCRYPTION_KEYS: keys }).get(StorageSettings);
    return new KeyCheck(new Keyring(settings), fileServer.server.app.get(Transaction)).onApplicationBootstrap();
  };
  await expect(start(`k1:${K2}`)).rejects.toThrow('k1 differs from the earlier key with this id');
  await expect(start(`k2:${K2}`)).rejects.toThrow('some files are encrypted with k1');
  await expect(start('')).rejects.toThrow('some files are encrypted with k1');
  await start(`k2:${K2},k1:${K1}`);
  await fileServer.close();
});
