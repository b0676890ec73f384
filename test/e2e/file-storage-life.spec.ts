// Checks quotas, deduplication, deletion and restoration of stored files.
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { UsageDto } from '../../src/files/dto/file.dto.js';
import type { Page, Wire } from '../support/http/api.js';
import { FileServer, sha256, type StoredFile } from '../support/files/file-server.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type Usage = Wire<UsageDto>;

let fileServer: FileServer;
afterEach(() => expect(fileServer.server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]));

const usage = async (person: Person): Promise<[bytes: number, files: number]> => {
  const { body } = await person.api.get<Usage>('/api/files/usage');
  return [body.bytes, body.files];
};
const remove = (person: Person, { id }: StoredFile) => person.api.delete(`/api/files/${id}`);
const bytesGone = (count: number) =>
  until(async () => (await fileServer.storedNames()).length === count, `${count} blobs to be left`);

describe('a quota of 10,000 bytes and 3 files', () => {
  beforeAll(async () => void (fileServer = await FileServer.open({ FILE_QUOTA: '10000', FILE_QUOTA_COUNT: '3' })));
  afterAll(() => fileServer.close());

  it('accepts files up to the exact byte, and a deletion frees the quota immediately', async () => {
    const ada = await fileServer.server.registerUser('Ada');
    const first = await fileServer.upload(ada, randomBytes(6_000));
    expect(await fileServer.tryUpload(ada, randomBytes(4_001))).toMatchObject({
      status: 507,
      body: { code: 'QUOTA_EXCEEDED', detail: expect.stringContaining('bytes') },
    });
    await fileServer.upload(ada, randomBytes(4_000));
    expect(await usage(ada)).toEqual([10_000, 2]);
    expect((await fileServer.tryUpload(ada, 'x')).body.code).toBe('QUOTA_EXCEEDED');
    expect((await remove(ada, first)).status).toBe(204);
    expect(await usage(ada)).toEqual([4_000, 1]);
    await fileServer.upload(ada, 'x');
    await fileServer.upload(ada, 'y');
    expect(await fileServer.tryUpload(ada, 'z')).toMatchObject({
      status: 507,
      body: { detail: expect.stringContaining('files') },
    });
    expect(await usage(ada)).toEqual([4_002, 3]);
    const { body } = await ada.api.get<Usage>('/api/files/usage');
    expect(body).toMatchObject({
      maxBytes: 10_000,
      maxFiles: 3,
      buckets: [{ bucket: 'default', bytes: 4_002, files: 3 }],
    });
  });

  it('holds against twenty uploads at once, and refused ones leave nothing', async () => {
    const bob = await fileServer.server.registerUser('Bob');
    const before = (await fileServer.storedNames()).length;
    const answers = await Promise.all(Array.from({ length: 20 }, () => fileServer.tryUpload(bob, randomBytes(4_900))));
    const statuses = answers.map(({ status }) => status).sort();
    expect(statuses).toEqual([...Array.from({ length: 2 }, () => 201), ...Array.from({ length: 18 }, () => 507)]);
    expect(await usage(bob)).toEqual([9_800, 2]);
    expect((await fileServer.storedNames()).length).toBe(before + 2);
    expect(await fileServer.server.sql('SELECT * FROM storage_leases')).toEqual([]);
  });

  it('holds for uploads of unknown length', async () => {
    const eve = await fileServer.server.registerUser('Eve');
    const send = (size: number) =>
      fetch(`${fileServer.server.url}/api/files`, {
        method: 'POST',
        headers: { authorization: `Bearer ${eve.accessToken}`, 'content-type': 'multipart/form-data; boundary=b' },
        body: new Blob([
          `--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n${'x'.repeat(size)}\r\n--b--\r\n`,
        ]).stream(),
        duplex: 'half',
      });
    const refused = await send(10_001);
    expect([refused.status, await refused.json()]).toMatchObject([507, { code: 'QUOTA_EXCEEDED' }]);
    expect(await usage(eve)).toEqual([0, 0]);
    expect((await send(10_000)).status).toBe(201);
    expect(await usage(eve)).toEqual([10_000, 1]);
  });
});

describe('equal content', () => {
  beforeAll(async () => void (fileServer = await FileServer.open()));
  afterAll(() => fileServer.close());

  it('of one owner is stored once, counts twice, and is removed with the last file that has it', async () => {
    const ada = await fileServer.server.registerUser('Ada');
    const bytes = randomBytes(5_000);
    const first = await fileServer.upload(ada, bytes, { name: 'one.bin' });
    const second = await fileServer.upload(ada, bytes, { name: 'two.bin' });
    expect([second.sha256, second.id === first.id, second.name]).toEqual([sha256(bytes), false, 'two.bin']);
    await bytesGone(1); // the bytes of the second upload are removed after its response
    expect(await usage(ada)).toEqual([10_000, 2]);
    await remove(ada, first);
    await until(async () => (await fileServer.server.sql(`SELECT 1 FROM jobs WHERE type = 'files.purge' AND status <> 'SUCCEEDED'`)).length === 0, 'the purge'); // prettier-ignore
    expect((await fileServer.storedNames()).length).toBe(1);
    expect(sha256(Buffer.from(await (await fileServer.content(ada, second.id)).arrayBuffer()))).toBe(sha256(bytes));
    await remove(ada, second);
    await bytesGone(0);
    expect(await fileServer.server.sql('SELECT * FROM blobs')).toEqual([]);
  });

  it('of two owners is stored twice, so that no user can find out what others have', async () => {
    const [ada, eve] = [await fileServer.server.registerUser('Ada'), await fileServer.server.registerUser('Eve')];
    const files = [await fileServer.upload(ada, 'the same'), await fileServer.upload(eve, 'the same')];
    expect((await fileServer.storedNames()).length).toBe(2);
    await remove(ada, files[0]!);
    await bytesGone(1);
    expect(await (await fileServer.content(eve, files[1]!.id)).text()).toBe('the same');
    await remove(eve, files[1]!);
    await bytesGone(0);
  });

  it('uploaded and deleted concurrently is never lost and never left over', async () => {
    const ada = await fileServer.server.registerUser('Ada');
    const rounds = async (): Promise<void> => {
      for (let round = 0; round < 8; round++) {
        const file = await fileServer.upload(ada, 'contended');
        expect(await (await fileServer.content(ada, file.id)).text()).toBe('contended');
        await remove(ada, file);
      }
    };
    await Promise.all(Array.from({ length: 6 }, rounds));
    await bytesGone(0);
    expect(await fileServer.server.sql('SELECT * FROM blobs')).toEqual([]);
    expect(await usage(ada)).toEqual([0, 0]);
  });
});

describe('with global deduplication, and deleted files kept for 3 days', () => {
  beforeAll(async () => {
    fileServer = await FileServer.open({ FILE_DEDUPLICATION: 'deployment', FILE_RETENTION: '3', FILE_QUOTA: '10000' });
  });
  afterAll(() => fileServer.close());

  it('equal content of all owners is stored once', async () => {
    const [ada, eve] = [await fileServer.server.registerUser('Ada'), await fileServer.server.registerUser('Eve')];
    await fileServer.upload(ada, 'the same');
    const file = await fileServer.upload(eve, 'the same');
    await bytesGone(1);
    expect(await (await fileServer.content(eve, file.id)).text()).toBe('the same');
  });

  it('an administrator restores a deleted file while its bytes exist', async () => {
    const [ada, root] = [await fileServer.server.registerUser('Ada'), await fileServer.server.makeAdmin()];
    const file = await fileServer.upload(ada, randomBytes(6_000));
    await remove(ada, file);
    expect((await fileServer.content(ada, file.id)).status).toBe(404);
    expect((await ada.api.get('/api/files?deleted=true')).status).toBe(403);
    const { body } = await root.api.get<Page<StoredFile>>('/api/files?deleted=true');
    expect(body.items).toEqual([{ ...file, version: 2, deletedAt: expect.any(String) }]);
    expect((await ada.api.post(`/api/files/${file.id}/restore`)).status).toBe(403);
    expect((await root.api.post(`/api/files/${file.id}/restore`)).status).toBe(200);
    expect((await fileServer.content(ada, file.id)).status).toBe(200);
    expect(await usage(ada)).toEqual([6_000, 1]);

    await remove(ada, file);
    await fileServer.upload(ada, randomBytes(5_000));
    expect(await root.api.post(`/api/files/${file.id}/restore`)).toMatchObject({ status: 507 });
    expect(await usage(ada)).toEqual([5_000, 1]);

    await fileServer.server.sql(`UPDATE files SET blob_id = NULL WHERE uuid = $1`, file.id);
    expect(await root.api.post(`/api/files/${file.id}/restore`)).toMatchObject({
      status: 410,
      body: { code: 'FILE_PURGED' },
    });
  });
});

it('a new name is a new version; an invalid name is refused or sanitised', async () => {
  fileServer = await FileServer.open();
  const ada = await fileServer.server.registerUser('Ada');
  const { id } = await fileServer.upload(ada, 'x', { name: 'a.txt' });
  const rename = (name: unknown, headers = {}) => ada.api.patch<StoredFile>(`/api/files/${id}`, { name }, { headers });
  expect(await rename('b\u202e.txt', { 'if-match': '"1"' })).toMatchObject({
    status: 200,
    body: { name: 'b.txt', version: 2 },
  });
  expect(await rename('c', { 'if-match': '"1"' })).toMatchObject({ status: 412 });
  expect(await rename('')).toMatchObject({ status: 400 });
  expect(await rename('a\0b')).toMatchObject({ status: 400 });
  for (const name of ['../b', 'a/b', 'a\\b', '..', 'a\r\nb'])
    expect(await rename(name)).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
  expect(await ada.api.put(`/api/files/${id}`, { name: 'd', size: 3 })).toMatchObject({ status: 400 });
  const content = await fileServer.content(ada, id);
  expect(await content.text()).toBe('x');
  expect(content.headers.get('content-disposition')).toBe(`attachment; filename="b.txt"; filename*=UTF-8''b.txt`);
  await fileServer.close();
});
