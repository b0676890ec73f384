// Checks signed links: each gives access to one version of a file until it expires or is revoked, and none can be forged.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { LinkDto } from '../../src/files/links/dto/link.dto.js';
import type { Page, Wire } from '../support/http/api.js';
import { FileServer, type StoredFile } from '../support/files/file-server.js';
import type { Person } from '../support/server/server.js';

type Link = Wire<LinkDto>;

let fileServer: FileServer;
let ada: Person;
let eve: Person;
let file: StoredFile;
beforeAll(async () => {
  fileServer = await FileServer.open();
  ada = await fileServer.server.registerUser('Ada');
  eve = await fileServer.server.registerUser('Eve');
  file = await fileServer.upload(ada, 'for your eyes', { name: 'note.txt' });
});
afterAll(() => fileServer.close());

const follow = (url: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${fileServer.server.url}${url}`, init);
const make = async (id = file.id, body: object = {}): Promise<Link> => {
  const answer = await ada.api.post<Link>(`/api/files/${id}/link`, body);
  expect([answer.status, answer.body]).toEqual([201, expect.anything()]);
  return answer.body;
};

it('a link returns the file to anyone, whole or in parts, like any download', async () => {
  const { url, expiresAt, createdAt, fileVersion } = await make();
  const response = await follow(url);
  expect([response.status, await response.text(), fileVersion]).toEqual([200, 'for your eyes', 1]);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'content-disposition': `attachment; filename="note.txt"; filename*=UTF-8''note.txt`,
    'content-security-policy': "sandbox; default-src 'none'",
    'cache-control': 'private, no-store',
    etag: `"${file.sha256}"`,
  });
  expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBeCloseTo(3_600_000, -2);
  expect(await (await follow(url, { headers: { range: 'bytes=4-7' } })).text()).toBe('your');
  expect((await follow(url, { method: 'HEAD' })).headers.get('content-length')).toBe('13');
  expect((await follow(url.replace('/api/', '/api/v1/'))).status).toBe(200);
});

it('a link cannot be guessed, nor changed into a link to another file', async () => {
  const [one, other] = [await make(), await make()];
  const [id, mac] = one.url.split('/').at(-1)!.split('.') as [string, string];
  const flipped = mac.startsWith('A') ? `B${mac.slice(1)}` : `A${mac.slice(1)}`;
  for (const token of [
    id,
    `${id}.`,
    `${id}.${flipped}`,
    `${other.id}.${mac}`,
    `${id.toUpperCase()}.${mac}`,
    `${id}.${mac}A`,
    'x',
    '%00',
    `${id}.${mac}%20`,
  ]) {
    const response = await follow(`/api/links/${token}`);
    expect([token, response.status]).toEqual([token, 404]);
  }
});

it('a link stops working when it expires', async () => {
  const link = await make(file.id, { expiresIn: 1_000 });
  await fileServer.server.sql(`UPDATE file_links SET expires_at = now() - interval '1 ms' WHERE uuid = $1`, link.id);
  const response = await follow(link.url);
  expect([response.status, await response.json()]).toMatchObject([410, { code: 'LINK_GONE' }]);
});

it('only the owner lists and revokes a link', async () => {
  const { id } = await fileServer.upload(ada, 'y');
  const link = await make(id);
  for (const answer of [
    await eve.api.post(`/api/files/${id}/link`, {}),
    await eve.api.get(`/api/files/${id}/links`),
    await eve.api.delete(`/api/files/${id}/links/${link.id}`),
  ])
    expect(answer).toMatchObject({ status: 404, body: { code: 'FILE_NOT_FOUND' } });
  expect((await ada.api.delete(`/api/files/${file.id}/links/${link.id}`)).status).toBe(404); // a link of another file
  expect((await follow(link.url)).status).toBe(200);
  const { body } = await ada.api.get<Page<Link>>(`/api/files/${id}/links`);
  expect(body.items).toEqual([link]);
  expect((await ada.api.delete(`/api/files/${id}/links/${link.id}`)).status).toBe(204);
  expect((await follow(link.url)).status).toBe(410);
  expect((await ada.api.get<Page<Link>>(`/api/files/${id}/links`)).body.items).toEqual([]);
  expect(await ada.api.delete(`/api/files/${id}/links/${link.id}`)).toMatchObject({ status: 404, body: { code: 'LINK_NOT_FOUND' } }); // prettier-ignore
});

it('a link is valid for one version of the file, and ends with it', async () => {
  const { id } = await fileServer.upload(ada, 'z');
  const link = await make(id);
  await ada.api.patch(`/api/files/${id}`, { name: 'other' });
  expect((await follow(link.url)).status).toBe(410);
  const newer = await make(id);
  expect([newer.fileVersion, (await follow(newer.url)).status]).toEqual([2, 200]);
  await ada.api.delete(`/api/files/${id}`);
  expect((await follow(newer.url)).status).toBe(410);
});

it.each([{ expiresIn: 0 }, { expiresIn: 2_592_001 }, { expiresIn: '60' }, { expiresIn: 1.5 }, { until: 'x' }])(
  'a link with %j is refused',
  async (body) => {
    expect((await ada.api.post(`/api/files/${file.id}/link`, body)).status).toBe(400);
  },
);

it('the token of a link is neither in the log nor in the database', async () => {
  const { url } = await make();
  await follow(url);
  const mac = url.split('.').at(-1)!;
  expect(fileServer.server.log.some((line) => line.includes(mac))).toBe(false);
  expect(JSON.stringify(await fileServer.server.sql('SELECT * FROM file_links')).includes(mac)).toBe(false);
});
