// Checks buckets: administrators manage them, their limits and types apply to every user, and public buckets are readable by all.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BucketDto } from '../../src/storage/buckets/dto/bucket.dto.js';
import { BucketsRepository } from '../../src/storage/buckets/buckets.repository.js';
import { Transaction } from '../../src/shared/database/transaction.js';
import type { AuditEntry, Page, Wire } from '../support/http/api.js';
import { FileServer } from '../support/files/file-server.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type Bucket = Wire<BucketDto>;

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex');

let fileServer: FileServer;
let root: Person;
let ada: Person;
let eve: Person;
beforeAll(async () => {
  fileServer = await FileServer.open();
  root = await fileServer.server.makeAdmin();
  ada = await fileServer.server.registerUser('Ada');
  eve = await fileServer.server.registerUser('Eve');
});
afterAll(() => fileServer.close());

const make = async (bucket: object): Promise<Bucket> => {
  const { status, body } = await root.api.post<Bucket>('/api/buckets', bucket);
  expect([status, body]).toEqual([201, expect.anything()]);
  return body;
};

it('the default bucket exists, is private and accepts every type', async () => {
  const { body } = await ada.api.get<Page<Bucket>>('/api/buckets');
  expect(body.items).toContainEqual(
    expect.objectContaining({
      name: 'default',
      visibility: 'private',
      maxFileSize: null,
      userQuota: null,
      allowedTypes: [],
    }),
  );
  const { id } = body.items.find(({ name }) => name === 'default')!;
  expect(await root.api.delete(`/api/buckets/${id}`)).toMatchObject({ status: 409, body: { code: 'BUCKET_NEEDED' } });
  for (const change of [{ visibility: 'public' }, { allowedTypes: ['image/*'] }])
    expect(await root.api.patch(`/api/buckets/${id}`, change)).toMatchObject({
      status: 409,
      body: { code: 'BUCKET_NEEDED' },
    });
  expect((await ada.api.get(`/api/buckets/${id}`)).body).toMatchObject({ visibility: 'private', version: 1 });
});

it('only administrators create, change, delete and restore buckets, with a line in the audit log each', async () => {
  expect((await ada.api.post('/api/buckets', { name: 'mine' })).status).toBe(403);
  const bucket = await make({ name: 'papers', maxFileSize: 100 });
  expect(bucket).toMatchObject({ name: 'papers', visibility: 'private', maxFileSize: 100, version: 1 });
  expect(await root.api.post('/api/buckets', { name: 'papers' })).toMatchObject({
    status: 409,
    body: { code: 'BUCKET_NAME_TAKEN' },
  });
  const path = `/api/buckets/${bucket.id}`;
  for (const attempt of [
    ada.api.patch(path, { visibility: 'public' }),
    ada.api.delete(path),
    ada.api.post(`${path}/restore`),
  ])
    expect((await attempt).status).toBe(403);
  const change = { maxFileSize: null, allowedTypes: ['image/*'] };
  expect(await root.api.patch(path, change, { headers: { 'if-match': '"1"' } })).toMatchObject({
    status: 200,
    body: change,
  });
  expect((await root.api.put(path, {}, { headers: { 'if-match': '"1"' } })).status).toBe(412);
  expect((await root.api.delete(path)).status).toBe(204);
  expect((await ada.api.get(path)).status).toBe(404);
  expect((await ada.api.get('/api/buckets?deleted=true')).status).toBe(403);
  const { body } = await root.api.get<Page<Bucket>>('/api/buckets?deleted=true');
  expect(body.items.map(({ name }) => name)).toEqual(['papers']);
  expect(await root.api.post(`${path}/restore`)).toMatchObject({ status: 200, body: { name: 'papers', version: 4 } });
  const lines = (await root.api.get<Page<AuditEntry>>('/api/audit-logs?limit=100')).body.items;
  const mine = lines.filter(({ subjectId }) => subjectId === bucket.id).toReversed();
  // The PATCH that changes nothing returns the bucket.
  const actions = ['bucket.created', 'bucket.updated', 'permission.used', 'bucket.deleted', 'bucket.restored'];
  expect(mine.map(({ action, actorId }) => [action, actorId])).toEqual(actions.map((name) => [name, root.user.id]));
  expect(mine[1]?.details).toMatchObject({ before: { maxFileSize: 100, allowedTypes: [] }, after: change });
});

it.each([
  { name: '' }, { name: '../x' }, { name: 'A' }, { name: '-a' }, { name: 'a'.repeat(51) }, {}, { name: 'b', visibility: 'secret' },
  { name: 'b', maxFileSize: 0 }, { name: 'b', maxFileSize: 1.5 }, { name: 'b', userQuota: -1 }, { name: 'b', allowedTypes: ['x'] },
  { name: 'b', allowedTypes: ['*/*'] }, { name: 'b', allowedTypes: 'image/png' }, { name: 'b', owner: 'x' },
])('the bucket %j is refused', async (bucket) => {
  expect(await root.api.post('/api/buckets', bucket)).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
}); // prettier-ignore

describe('a bucket', () => {
  it('limits the size of one file, the total of one user, and the types, which are detected from the bytes', async () => {
    await make({ name: 'icons', maxFileSize: 1_000, userQuota: 1_500, allowedTypes: ['image/png', 'text/*'] });
    const into = { bucket: 'icons' };
    expect(await fileServer.tryUpload(ada, 'x'.repeat(1_001), into)).toMatchObject({ status: 413, body: { code: 'FILE_TOO_LARGE', detail: expect.stringContaining('1000') } }); // prettier-ignore
    await fileServer.upload(ada, 'x'.repeat(1_000), into);
    expect(await fileServer.tryUpload(ada, 'x'.repeat(501), into)).toMatchObject({ status: 507, body: { code: 'QUOTA_EXCEEDED' } }); // prettier-ignore
    await fileServer.upload(ada, 'x'.repeat(500), into);
    await fileServer.upload(ada, 'x'.repeat(501)); // other buckets have their own quota
    await fileServer.upload(eve, 'x'.repeat(900), into); // and so do other users
    const lie = { ...into, type: 'image/png' };
    expect(await fileServer.tryUpload(eve, '%PDF-1.7\n', lie)).toMatchObject({ status: 415, body: { code: 'FILE_TYPE_NOT_ALLOWED', detail: expect.stringContaining('application/pdf') } }); // prettier-ignore
    expect((await fileServer.upload(eve, PNG, { ...into, type: 'application/pdf' })).mimeType).toBe('image/png');
    expect(await fileServer.tryUpload(eve, 'x', { bucket: 'nowhere' })).toMatchObject({ status: 404, body: { code: 'BUCKET_NOT_FOUND' } }); // prettier-ignore
    const { body } = await eve.api.get<Page<object>>('/api/files?bucket=icons');
    expect(body.items).toHaveLength(2);
  });

  it('with files in it cannot be deleted', async () => {
    const { id } = await make({ name: 'full' });
    const file = await fileServer.upload(ada, 'x', { bucket: 'full' });
    expect(await root.api.delete(`/api/buckets/${id}`)).toMatchObject({
      status: 409,
      body: { code: 'BUCKET_NOT_EMPTY' },
    });
    await ada.api.delete(`/api/files/${file.id}`);
    await until(async () => (await root.api.delete(`/api/buckets/${id}`)).status === 204, 'the file to be purged');
  });

  it('with deleted files that may be restored cannot be deleted, since another bucket of that name might be public', async () => {
    const { id } = await make({ name: 'left' });
    const file = await fileServer.upload(ada, 'x', { bucket: 'left' });
    await fileServer.server.sql(`UPDATE files SET deleted_at = now() WHERE uuid = $1`, file.id); // as with FILE_RETENTION
    await fileServer.server.sql(`UPDATE storage_usages SET files = 0, bytes = 0 WHERE bucket = 'left'`);
    expect(await root.api.delete(`/api/buckets/${id}`)).toMatchObject({ status: 409, body: { code: 'BUCKET_NOT_EMPTY' } }); // prettier-ignore
    await fileServer.server.sql('UPDATE files SET blob_id = NULL WHERE uuid = $1', file.id);
    expect((await root.api.delete(`/api/buckets/${id}`)).status).toBe(204);
  });

  it('that is being deleted accepts no files', async () => {
    const { id, name } = await make({ name: 'going' });
    let commit = (): void => undefined;
    const gate = new Promise<void>((open) => (commit = open));
    const [transaction, buckets] = [
      fileServer.server.app.get(Transaction),
      fileServer.server.app.get(BucketsRepository),
    ];
    let isDeleted = false;
    const deleting = transaction.run(async () => {
      await buckets.delete(id, null);
      isDeleted = true;
      await gate;
    });
    await until(() => isDeleted, 'the deletion');
    const upload = fileServer.tryUpload(ada, 'late', { bucket: name });
    const waits = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
    await until(async () => (await fileServer.server.sql(waits)).length > 0, 'the upload to wait');
    commit();
    await deleting;
    expect(await upload).toMatchObject({ status: 404, body: { code: 'BUCKET_NOT_FOUND' } });
    expect(await fileServer.server.sql('SELECT * FROM storage_leases')).toEqual([]);
  });

  it('with an upload in progress cannot be deleted', async () => {
    const { id, name } = await make({ name: 'coming' });
    const headers = { 'tus-resumable': '1.0.0', 'upload-length': '5', 'upload-metadata': `bucket ${btoa(name)}` };
    const begun = await ada.api.request('POST', '/api/uploads', undefined, { headers });
    expect(await root.api.delete(`/api/buckets/${id}`)).toMatchObject({ status: 409, body: { code: 'BUCKET_NOT_EMPTY' } }); // prettier-ignore
    await ada.api.request('DELETE', begun.headers.get('location') as string, undefined, { headers });
    expect((await root.api.delete(`/api/buckets/${id}`)).status).toBe(204);
  });
});

it('anyone can download a file of a public bucket until it is private again; only the owner lists or deletes it', async () => {
  const { id: bucketId } = await make({ name: 'posters', visibility: 'public' });
  const bytes = randomBytes(1_000);
  const { id } = await fileServer.upload(ada, bytes, { bucket: 'posters' });
  for (const person of [null, eve, ada]) {
    const response = await fileServer.content(person, id, { range: 'bytes=0-9' });
    expect([response.status, response.headers.get('cache-control')]).toEqual([206, 'public, no-cache']);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytes.subarray(0, 10))).toBe(true);
  }
  expect((await fileServer.content(null, id, { authorization: 'Bearer nonsense' })).status).toBe(401);
  expect((await fileServer.server.api.get(`/api/files/${id}`)).status).toBe(401);
  expect((await eve.api.get(`/api/files/${id}`)).status).toBe(404);
  expect((await eve.api.delete(`/api/files/${id}`)).status).toBe(404);
  expect((await eve.api.post(`/api/files/${id}/link`, {})).status).toBe(404);
  await root.api.patch(`/api/buckets/${bucketId}`, { visibility: 'private' });
  for (const person of [null, eve]) expect((await fileServer.content(person, id)).status).toBe(404);
  expect((await fileServer.content(ada, id)).status).toBe(200);
});

it('a bucket that allows image/* refuses SVG', async () => {
  await make({ name: 'pictures', allowedTypes: ['image/*'] });
  const svg = { bucket: 'pictures', type: 'image/png' };
  expect(await fileServer.tryUpload(ada, '<svg onload="alert(1)"/>', svg)).toMatchObject({ status: 415 });
  expect((await fileServer.upload(ada, PNG, { bucket: 'pictures' })).mimeType).toBe('image/png');
});

it('files of a deleted owner are not readable until the account is restored', async () => {
  await make({ name: 'open', visibility: 'public' });
  const bob = await fileServer.server.registerUser('Bob');
  const { id } = await fileServer.upload(bob, 'x', { bucket: 'open' });
  const { body: link } = await bob.api.post<{ url: string }>(`/api/files/${id}/link`, {});
  const statuses = async () => [
    (await fileServer.content(null, id)).status,
    (await fetch(fileServer.server.url + link.url)).status,
  ];
  expect(await statuses()).toEqual([200, 200]);
  await root.api.delete(`/api/users/${bob.user.id}`);
  expect(await statuses()).toEqual([404, 404]);
  await root.api.post(`/api/users/${bob.user.id}/restore`);
  expect(await statuses()).toEqual([200, 200]);
});
