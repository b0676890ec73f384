// Checks thumbnails: size, orientation, no metadata from the image, and no harm to the server from hostile images.
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import sharp, { type Sharp } from 'sharp';
import { Transaction } from '../../src/shared/database/transaction.js';
import { ThumbnailStore } from '../../src/files/thumbnails/thumbnail-store.js';
import { readWebp } from '../../src/files/thumbnails/webp.js';
import * as bombs from '../support/files/image-bombs.js';
import { FileServer, type UploadAs } from '../support/files/file-server.js';
import { type Job, finishedJob, runJob } from '../support/jobs/job-requests.js';
import { seeded } from '../support/fuzz/random.js';
import type { Person } from '../support/server/server.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const onLinux = process.platform === 'linux' ? it : it.skip;

type Bytes = Buffer<ArrayBuffer>;
type Colour = [red: number, green: number, blue: number];
const RED: Colour = [220, 30, 40];
const BLUE: Colour = [20, 40, 200];
const NOWHERE = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';

let fileServer: FileServer;
let ada: Person;
let eve: Person;

beforeAll(async () => {
  fileServer = await FileServer.open({ FILE_ENCRYPTION_KEYS: `k1:${randomBytes(32).toString('base64')}` });
  ada = await fileServer.server.registerUser('Ada');
  eve = await fileServer.server.registerUser('Eve');
});
afterAll(() => fileServer.close());

/** Returns an image whose left half is red and whose right half is blue. */
function halves(width: number, height: number): Sharp {
  const pixels = Buffer.alloc(width * height * 3);
  for (let at = 0; at < width * height; at++) pixels.set(at % width < width / 2 ? RED : BLUE, at * 3);
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

const bytesOf = async (image: Sharp): Promise<Bytes> => Buffer.from(await image.toBuffer());

/** Returns random bytes, the same in every run. */
function disorder(length: number): Bytes {
  const random = seeded(31);
  return Buffer.from(Array.from({ length }, () => random() * 256));
}

async function uploadImage(bytes: Bytes, as: UploadAs = {}): Promise<string> {
  return (await fileServer.upload(ada, bytes, { name: 'photo.png', type: 'image/png', ...as })).id;
}

/** Returns the CPU time of all decoders that have ended, in ms; 0 on systems without /proc. */
async function processorTimeOfChildren(): Promise<number> {
  const stat = await readFile('/proc/self/stat', 'latin1').catch(() => '');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(13, 15); // proc_pid_stat(5): cutime, cstime
  return (Number(user ?? 0) + Number(system ?? 0)) * 10;
}

/** Returns the UUID of the job that the upload enqueued, or null. */
async function jobOf(fileId: string): Promise<string | null> {
  const [row] = await fileServer.server.sql<{ uuid: string }>(
    `SELECT uuid FROM jobs WHERE type = 'file.thumbnail' AND payload ->> 'fileId' = $1`,
    fileId,
  );
  return row?.uuid ?? null;
}

async function jobDone(fileId: string): Promise<Job> {
  const id = await jobOf(fileId);
  if (id === null) throw new Error(`No job came with file ${fileId}`);
  return finishedJob(ada, id);
}

function ask(person: Person | null, id: string, query = '', headers: Record<string, string> = {}): Promise<Response> {
  const token = person && { authorization: `Bearer ${person.accessToken}` };
  return fetch(`${fileServer.server.url}/api/files/${id}/thumbnail${query}`, { headers: { ...token, ...headers } });
}

async function picture(id: string, size: number): Promise<Bytes> {
  const answer = await ask(ada, id, `?size=${size}`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'image/webp']);
  return Buffer.from(await answer.arrayBuffer());
}

async function problemOf(answer: Response): Promise<[status: number, code: string]> {
  return [answer.status, ((await answer.json()) as { code: string }).code];
}

const count = async (table: string): Promise<number> =>
  (await fileServer.server.sql<{ n: number }>(`SELECT count(*)::int n FROM ${table}`))[0]!.n;

/** Returns the colour of a pixel; `x` and `y` are fractions of the width and the height. */
async function colourAt(bytes: Bytes, x: number, y: number): Promise<Colour> {
  const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
  const at = (Math.floor(y * info.height) * info.width + Math.floor(x * info.width)) * 3;
  return [data[at]!, data[at + 1]!, data[at + 2]!];
}

/** The tolerance is wide: printing inks (CMYK) change a colour more than another light profile (RGB). */
function expectColour(actual: Colour, expected: Colour, within = 80): void {
  const far = actual.map((part, index) => Math.abs(part - expected[index]!));
  expect([actual, Math.max(...far) < within]).toEqual([actual, true]);
}

describe('a thumbnail of an image', () => {
  const animated = (format: 'gif' | 'webp'): Sharp => {
    const frames = Buffer.concat([RED, BLUE].map((colour) => Buffer.alloc(40 * 30 * 3, Buffer.from(colour))));
    const film = sharp(frames, { raw: { width: 40, height: 60, channels: 3, pageHeight: 30 } });
    return format === 'gif' ? film.gif({ delay: [50, 50] }) : film.webp({ delay: [50, 50] });
  };
  const all = (...sizes: string[]): string[] => sizes;
  it.each<[string, () => Sharp, string[]]>([
    ['a PNG', () => halves(1200, 800).png(), all('128x85', '256x171', '512x341')],
    ['a PNG of 16 bits with transparency', () => halves(600, 600).ensureAlpha(0.5).toColourspace('rgb16').png(), all('128x128', '256x256', '512x512')],
    ['a progressive JPEG', () => halves(800, 1600).jpeg({ progressive: true }), all('64x128', '128x256', '256x512')],
    ['a JPEG in CMYK', () => halves(800, 400).toColourspace('cmyk').jpeg(), all('128x64', '256x128', '512x256')],
    ['a WebP', () => halves(1024, 256).webp(), all('128x32', '256x64', '512x128')],
    ['a GIF', () => halves(300, 200).gif(), all('128x85', '256x171', '300x200')],
    ['an AVIF', () => halves(600, 300).avif({ effort: 0 }), all('128x64', '256x128', '512x256')],
    ['a TIFF', () => halves(512, 512).tiff({ compression: 'lzw' }), all('128x128', '256x256', '512x512')],
    ['an image smaller than every thumbnail', () => halves(20, 10).png(), all('20x10', '20x10', '20x10')],
    ['an image of one pixel', () => halves(1, 1).png(), all('1x1', '1x1', '1x1')],
    ['an image of one line', () => halves(5_000, 1).png(), all('128x1', '256x1', '512x1')],
  ])('has the right size and colours for %s', async (_what, make, sizes) => {
    const id = await uploadImage(await bytesOf(make()));
    expect(await jobDone(id)).toMatchObject({ status: 'SUCCEEDED', attempts: 1, ownerId: ada.user.id });
    for (const [index, size] of [128, 256, 512].entries()) {
      const bytes = await picture(id, size);
      const { format, width, height } = await sharp(bytes).metadata();
      expect([format, `${width}x${height}`]).toEqual(['webp', sizes[index]]);
      expect(readWebp(bytes)).toMatchObject({ width, height });
      if (width > 2) expectColour(await colourAt(bytes, 0.25, 0.5), RED);
      if (width > 2) expectColour(await colourAt(bytes, 0.75, 0.5), BLUE);
    }
  }); // prettier-ignore

  it.each(['gif', 'webp'] as const)('is the first frame of an animated %s', async (format) => {
    const id = await uploadImage(await bytesOf(animated(format)));
    expect(await jobDone(id)).toMatchObject({ status: 'SUCCEEDED' });
    const bytes = await picture(id, 128);
    expect(await sharp(bytes, { pages: -1 }).metadata()).toMatchObject({ width: 40, height: 30 });
    expectColour(await colourAt(bytes, 0.5, 0.5), RED);
  });

  it('is upright, in sRGB, and has no camera or location metadata', async () => {
    const exif = {
      IFD0: { Make: 'Camera of Ada', ImageDescription: 'the secret garden' },
      IFD3: { GPSLatitudeRef: 'N', GPSLatitude: '52/1 31/1 0/1', GPSLongitudeRef: 'E', GPSLongitude: '13/1 24/1 0/1' },
    };
    const photo = halves(900, 600).withMetadata({ orientation: 6 }).withExifMerge(exif).withIccProfile('p3');
    const bytes = await bytesOf(photo.jpeg({ quality: 95 }));
    const before = await sharp(bytes).metadata();
    expect([before.orientation, before.icc?.length, bytes.includes('secret garden')]).toEqual([6, expect.any(Number), true]);
    const id = await uploadImage(bytes, { name: 'garden.jpg', type: 'image/jpeg' });
    await jobDone(id);
    for (const size of [128, 256, 512]) {
      const small = await picture(id, size);
      const { width, height, space, ...rest } = await sharp(small).metadata();
      expect([width, height, space]).toEqual([expect.any(Number), size, 'srgb']);
      expect(Math.abs(width / height - 2 / 3)).toBeLessThan(0.01);
      for (const kind of ['exif', 'icc', 'xmp', 'iptc', 'orientation'] as const) expect(rest[kind]).toBeUndefined();
      for (const word of ['Camera', 'garden', 'EXIF', 'ICCP', 'XMP ']) expect(small.includes(word)).toBe(false);
      expectColour(await colourAt(small, 0.5, 0.25), RED, 10); // rotated by a quarter: the left half is at the top
      expectColour(await colourAt(small, 0.5, 0.75), BLUE, 10);
    }
  }); // prettier-ignore
});

describe('a request for a thumbnail', () => {
  let id: string;
  beforeAll(async () => {
    id = await uploadImage(await bytesOf(halves(700, 500).png()), { name: 'Übersicht.png' });
    await jobDone(id);
  });

  it('returns 256 pixels by default, with the headers of a download', async () => {
    const answer = await ask(ada, id);
    const bytes = Buffer.from(await answer.arrayBuffer());
    expect(readWebp(bytes)).toMatchObject({ width: 256 });
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'image/webp',
      'content-length': String(bytes.length),
      'content-disposition': expect.stringContaining(`filename="Ubersicht.png.256.webp"`),
      'content-security-policy': "sandbox; default-src 'none'",
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-store',
    });
    const etag = answer.headers.get('etag') as string;
    const again = await ask(ada, id, '', { 'if-none-match': etag });
    expect([again.status, await again.text(), again.headers.get('etag')]).toEqual([304, '', etag]);
    expect((await ask(ada, id, '?size=128')).headers.get('etag')).not.toBe(etag);
    const part = await ask(ada, id, '', { range: 'bytes=0-3' });
    expect([part.status, await part.text()]).toEqual([206, 'RIFF']);
  });

  it.each(['?size=64', '?size=0256', '?size=', '?size=1e2', '?size=256&size=128', '?width=256'])(
    'is refused with %s',
    async (query) => expect(await problemOf(await ask(ada, id, query))).toEqual([400, 'VALIDATION_FAILED']),
  );

  it('succeeds for the owner only, unless the bucket is public', async () => {
    for (const person of [eve, null]) expect(await problemOf(await ask(person, id))).toEqual([404, 'FILE_NOT_FOUND']);
    expect(await problemOf(await ask(ada, NOWHERE))).toEqual([404, 'FILE_NOT_FOUND']);
    const root = await fileServer.server.makeAdmin();
    expect((await root.api.post('/api/buckets', { name: 'shown', visibility: 'public' })).status).toBe(201);
    const shown = await uploadImage(await bytesOf(halves(300, 400).png()), { bucket: 'shown' });
    await jobDone(shown);
    for (const person of [eve, null]) {
      const answer = await ask(person, shown);
      expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'public, no-cache']);
    }
  });

  it('returns 404 for a file that is no image, or that failed before, and enqueues no job', async () => {
    const text = (await fileServer.upload(ada, 'a;b', { type: 'text/csv' })).id;
    const svg = (await fileServer.upload(ada, '<svg xmlns="http://www.w3.org/2000/svg"/>', { type: 'image/png' })).id;
    const broken = await uploadImage(bombs.png(10, 10).subarray(0, 45));
    expect([await jobOf(text), await jobOf(svg)]).toEqual([null, null]);
    await jobDone(broken);
    const jobs = await count('jobs');
    for (const file of [text, svg, broken])
      expect(await problemOf(await ask(ada, file))).toEqual([404, 'FILE_NO_THUMBNAIL']);
    expect(await count('jobs')).toBe(jobs);
  });

  it('for a missing thumbnail returns 404 with Retry-After, and enqueues one job for all requests', async () => {
    await fileServer.server.sql(
      `DELETE FROM thumbnails t USING files f WHERE f.blob_id = t.blob_id AND f.uuid = $1`,
      id,
    );
    await fileServer.server.sql(`DELETE FROM jobs WHERE payload ->> 'fileId' = $1`, id);
    const answers = await Promise.all([1, 2, 3].map(() => ask(ada, id)));
    for (const answer of answers) {
      expect(answer.headers.get('retry-after')).toBe('1');
      expect(await problemOf(answer)).toEqual([404, 'FILE_THUMBNAIL_PENDING']);
    }
    const jobs = await fileServer.server.sql(`SELECT 1 FROM jobs WHERE payload ->> 'fileId' = $1`, id);
    expect(jobs.length).toBe(1);
    await until(async () => (await ask(ada, id)).status === 200, 'the thumbnail to be there');
  });
});

describe('a thumbnail job', () => {
  it('runs for the owner only; a job of another user fails and does not block it', async () => {
    const id = await uploadImage(await bytesOf(halves(200, 100).png()));
    const later = {
      type: 'file.thumbnail',
      payload: { fileId: id },
      runAt: new Date(Date.now() + 3_600_000).toISOString(),
    };
    expect((await eve.api.post('/api/jobs', later)).status).toBe(202);
    await until(async () => (await ask(ada, id)).status === 200, 'the job of the upload to be done');
    const job = await runJob(ada, 'file.thumbnail', { fileId: id });
    expect(job).toMatchObject({ status: 'SUCCEEDED', result: { thumbnails: [{ size: 128, width: 128, height: 64 }, { size: 256 }, { size: 512 }] } }); // prettier-ignore
    expect(await runJob(eve, 'file.thumbnail', { fileId: NOWHERE })).toMatchObject({
      error: { code: 'FILE_NOT_FOUND' },
    });
    const mine = (await fileServer.upload(eve, 'no image')).id;
    expect(await runJob(ada, 'file.thumbnail', { fileId: mine })).toMatchObject({ status: 'FAILED', attempts: 1, error: { code: 'FILE_NOT_FOUND' } }); // prettier-ignore
    expect(await runJob(eve, 'file.thumbnail', { fileId: mine })).toMatchObject({ status: 'FAILED', attempts: 1, error: { code: 'FILE_IMAGE_UNREADABLE' } }); // prettier-ignore
    expect(await ada.api.post('/api/jobs', { type: 'file.thumbnail', payload: {} })).toMatchObject({ status: 400 });
  });

  it('runs once for equal content, counts against no quota, and encrypts its files', async () => {
    const usage = async () => (await ada.api.get<{ bytes: number; files: number }>('/api/files/usage')).body;
    const bytes = await bytesOf(halves(640, 480).png());
    const [used, thumbnails, stored] = [
      await usage(),
      await count('thumbnails'),
      (await fileServer.storedNames()).length,
    ];
    const ids = await Promise.all([uploadImage(bytes), uploadImage(bytes), uploadImage(bytes)]);
    for (const id of ids) if (await jobOf(id)) expect(await jobDone(id)).toMatchObject({ status: 'SUCCEEDED' });
    const last = await uploadImage(bytes);
    expect([await jobOf(last), (await ask(ada, last)).status]).toEqual([null, 200]);
    expect(await usage()).toMatchObject({ bytes: used.bytes + 4 * bytes.length, files: used.files + 4 });
    await until(async () => (await count('storage_leases')) === 0, 'spare bytes to be removed');
    expect([await count('thumbnails'), (await fileServer.storedNames()).length]).toEqual([thumbnails + 3, stored + 4]);
    const [row] = await fileServer.server.sql<{ key: string; key_id: string }>(
      `SELECT storage_key AS key, t.key_id FROM thumbnails t JOIN files f USING (blob_id) WHERE f.uuid = $1 LIMIT 1`,
      last,
    );
    const { key, key_id } = row!;
    const sealed = await readFile(`${fileServer.dataDir}/files/${key.slice(0, 2)}/${key.slice(2, 4)}/${key}`);
    expect([key_id, sealed.includes('WEBP')]).toEqual(['k1', false]);
    for (const id of [...ids, last]) expect((await ada.api.delete(`/api/files/${id}`)).status).toBe(204);
    await until(async () => (await fileServer.storedNames()).length === stored, 'the bytes to go with the last file');
    expect([await count('thumbnails'), await count('storage_leases')]).toEqual([thumbnails, 0]);
  });

  it('leaves nothing when it is the second, when the blob was deleted, or when its transaction is rolled back', async () => {
    const store = fileServer.server.app.get(ThumbnailStore);
    const transaction = fileServer.server.app.get(Transaction);
    const id = await uploadImage(await bytesOf(halves(333, 222).png()));
    await jobDone(id);
    const pictures = [readWebp(await picture(id, 128))!, readWebp(await picture(id, 256))!, readWebp(await picture(id, 512))!];
    const [{ blob_id }] = (await fileServer.server.sql<{ blob_id: string }>('SELECT blob_id FROM files WHERE uuid = $1', id)) as [{ blob_id: string }];
    const [stored, made] = [(await fileServer.storedNames()).sort(), await count('thumbnails')];
    const { signal } = new AbortController();
    const keep = (blobId: string, after?: () => never) =>
      store.keepWith(blobId, pictures, signal, (add) => transaction.run(() => add().then(after)));
    await Promise.all([keep(blob_id), keep(blob_id), keep('1')]);
    await fileServer.server.sql('DELETE FROM thumbnails WHERE blob_id = $1 AND size = 256 RETURNING storage_key', blob_id);
    const refused = keep(blob_id, () => { throw new Error('no'); });
    await expect(refused).rejects.toThrow('no');
    await until(async () => (await count('storage_leases')) === 0, 'spare bytes to be removed');
    expect([(await fileServer.storedNames()).sort(), await count('thumbnails')]).toEqual([stored, made - 1]);
    await Promise.all([keep(blob_id), keep(blob_id)]); // the missing one, only once
    await until(async () => (await count('storage_leases')) === 0, 'spare bytes to be removed');
    expect([(await fileServer.storedNames()).length, await count('thumbnails')]).toEqual([stored.length + 1, made]);
  }); // prettier-ignore
});

describe('a hostile image', () => {
  const MIB = 1_048_576;
  const jobs = new Map<string, Job>();
  /** For each job: the CPU time of its decoder, in ms, and the number of requests served meanwhile. */
  const processorTimes: number[] = [];
  const answers: number[] = [];
  let grownBy = 0;

  const SIGNATURES: Record<string, string> = {
    png: bombs.png(90, 90).toString('latin1', 0, 41), // up to the name of the chunk with the pixels
    jpeg: '\xff\xd8\xff\xe0',
    gif: 'GIF89a',
    webp: 'RIFF\xff\xff\0\0WEBPVP8 ',
    avif: '\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf',
    tiff: 'II*\0\x08\0\0\0',
  };

  /** Returns name, bytes, and the error code of the job; null: the image is valid and harmless. */
  async function make(): Promise<Array<[string, Bytes, string | null]>> {
    const TOO_LARGE = 'FILE_IMAGE_TOO_LARGE';
    const UNREADABLE = 'FILE_IMAGE_UNREADABLE';
    const noise = sharp(disorder(300 * 200 * 3), { raw: { width: 300, height: 200, channels: 3 } });
    const whole = async (format: 'jpeg' | 'png' | 'webp' | 'gif' | 'avif' | 'tiff') =>
      [format, await bytesOf(noise.clone()[format](format === 'avif' ? { effort: 0 } : {}))] as const;
    const known = new Map(await Promise.all((['jpeg', 'png', 'webp', 'gif', 'avif', 'tiff'] as const).map(whole)));
    const [jpeg, webp, avif] = [known.get('jpeg')!, known.get('webp')!, known.get('avif')!];
    const page = { width: 64, height: 64 };
    return [
      ['PNG of 50,000 × 50,000 pixels', bombs.png(50_000, 50_000), TOO_LARGE],
      ['PNG that declares this size, and has a few rows', bombs.png(50_000, 50_000, {}, bombs.zeros(99)), TOO_LARGE],
      ['PNG whose rows are missing', bombs.png(6_000, 6_000, {}, bombs.zeros(99)), UNREADABLE],
      ['PNG with 2 GiB more than it declares', bombs.png(100, 100, {}, bombs.zeros(2_048 * MIB)), null],
      ['PNG with a profile of 1 GiB', bombs.png(100, 100, { chunks: [bombs.pngProfile(1_024 * MIB)] }), null],
      ['PNG with a text of 1 GiB', bombs.png(100, 100, { chunks: [bombs.pngText(1_024 * MIB)] }), null],
      ['PNG with 300 texts of 7 MiB', bombs.png(9, 9, { chunks: Array<Bytes>(300).fill(bombs.pngText(7 * MIB)) }), null],
      ['JPEG that declares 65,000 × 65,000', bombs.jpegWithSize(jpeg, 65_000, 65_000), TOO_LARGE],
      ['JPEG that declares more than the format allows', bombs.jpegWithSize(jpeg, 65_535, 65_535), UNREADABLE],
      ['GIF of 65,535 × 65,535', bombs.gif(65_535, 65_535, { width: 65_535, height: 65_535 }), TOO_LARGE],
      ['GIF with such a frame on a small screen', bombs.gif(9, 9, { width: 65_535, height: 65_535 }), TOO_LARGE],
      ['GIF of 50,000 frames', bombs.gif(9, 9, { width: 1, height: 1, count: 50_000 }), null],
      ['WebP that declares 16,000 × 16,000', bombs.webpWithSize(webp, 16_000, 16_000), TOO_LARGE],
      ['WebP that declares 6,000 × 6,000', bombs.webpWithSize(webp, 6_000, 6_000), UNREADABLE],
      ['AVIF that declares 60,000 × 60,000', bombs.avifWithSize(avif, 60_000, 60_000), TOO_LARGE],
      ['AVIF that declares 6,000 × 6,000', bombs.avifWithSize(avif, 6_000, 6_000), UNREADABLE],
      ['TIFF of 100,000 × 100,000', bombs.tiff([{ width: 100_000, height: 100_000 }]), TOO_LARGE],
      ['TIFF of 10,000 pages', bombs.tiff(Array<typeof page>(10_000).fill(page)), null],
      ['TIFF whose pages form a loop', bombs.tiff([page, page], { loop: true }), null],
      ...Object.entries(SIGNATURES).map(([format, start]): [string, Bytes, string] => [
        ...[`${format} signature and random bytes`, Buffer.concat([Buffer.from(start, 'latin1'), disorder(90_000)])],
        UNREADABLE,
      ] as [string, Bytes, string]),
      ...[...known].map(([format, bytes]): [string, Bytes, string | null] => [
        `half a ${format}`, bytes.subarray(0, bytes.length >> 1), ['jpeg', 'png', 'gif'].includes(format) ? null : UNREADABLE,
      ]),
    ];
  } // prettier-ignore

  let cases: Array<[string, Bytes, string | null]>;
  beforeAll(async () => {
    cases = await make();
    const before = process.memoryUsage.rss();
    const watch = setInterval(() => (grownBy = Math.max(grownBy, process.memoryUsage.rss() - before)), 10);
    let answered = 0;
    let isOver = false;
    const asking = (async () => {
      for (; !isOver; answered++) await ada.api.get('/api/files?limit=1');
    })();
    for (const [name, bytes] of cases) {
      const [used, already] = [await processorTimeOfChildren(), answered];
      jobs.set(name, await jobDone(await uploadImage(bytes)));
      processorTimes.push((await processorTimeOfChildren()) - used);
      answers.push(answered - already);
    }
    isOver = true;
    await asking;
    clearInterval(watch);
  }, 600_000);

  it('fails with the right code at the first attempt, or is harmless', () => {
    const outcomes = [...jobs].map(([name, { status, error, attempts }]) => [name, status, error?.code ?? null, attempts]);
    expect(outcomes).toEqual(
      cases.map(([name, , code]) => [name, code === null ? 'SUCCEEDED' : 'FAILED', code, 1]),
    );
  }); // prettier-ignore

  it('uses no memory of the server, which serves requests meanwhile', () => {
    expect(Math.min(...answers)).toBeGreaterThan(1); // starting a decoder alone takes as long
    expect(grownBy).toBeLessThan(512 * MIB); // garbage alone makes 70 to 210 MiB; the bombs inflate to 2 GiB
    expect(fileServer.server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
  });

  onLinux('is done with in seconds, by the clock of its process', () => {
    expect(Math.min(...processorTimes)).toBeGreaterThan(0);
    expect(Math.max(...processorTimes)).toBeLessThan(10_000);
  });
});
