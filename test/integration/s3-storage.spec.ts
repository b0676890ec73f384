// The S3 storage beyond the shared contract: shared buckets, links, errors without secrets, and service failures.
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { CreateMultipartUploadCommand, PutObjectCommand, UploadPartCommand } from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { EmbeddedSettings } from '../../src/shared/config/embedded.settings.js';
import { storageFor } from '../../src/storage/choose-storage.js';
import { LocalStorage } from '../../src/storage/drivers/local.storage.js';
import { createS3Client, TIMEOUTS, type S3Timeouts } from '../../src/storage/drivers/s3-client.js';
import { S3Listing } from '../../src/storage/drivers/s3-listing.js';
import { S3Storage } from '../../src/storage/drivers/s3.storage.js';
import type { FileStorage } from '../../src/storage/file-storage.js';
import { type S3Config, StorageSettings } from '../../src/storage/storage.settings.js';
import { testConfig } from '../support/config.js';
import {
  type MissingFeature,
  S3_KINDS,
  type S3Kind,
  type S3Server,
  startS3rver,
} from '../support/engines/s3-servers.js';
import { S3Proxy } from '../support/engines/s3-proxy.js';
import { MAX_BYTES, S3StorageInstance } from '../support/files/storages.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

const MIB = 2 ** 20;
const LINK = {
  contentType: 'text/x-odd',
  disposition: `attachment; filename*=UTF-8''%C3%BC.txt`,
  expiresInSeconds: 60,
};

for (const { name, available, missing, start } of S3_KINDS) {
  const suite = available ? describe : describe.skip;
  suite(`in ${name}`, () => suiteOf(start, missing));
}

function suiteOf(start: S3Kind['start'], missing: readonly MissingFeature[]): void {
  let place: S3Server;
  let one: S3StorageInstance;
  beforeAll(async () => void (place = await start()));
  afterAll(() => place?.stop());
  beforeEach(() => void (one = new S3StorageInstance(place.config)));
  afterEach(() => one.close());
  const unlessMissing = (feature: MissingFeature): typeof it | typeof it.skip =>
    missing.includes(feature) ? it.skip : it;
  const nameOf = (key: string): string => `${one.config.prefix}/files/${key}`;

  it('deployments share a bucket under separate prefixes, and leave foreign objects alone', async () => {
    const { bucket: Bucket, prefix } = one.config;
    const longer = new S3Storage({ ...one.config, prefix: `${prefix}-2` }, MAX_BYTES);
    const [mine, theirs] = [randomUUID(), randomUUID()];
    await one.storage.write(mine, Readable.from([Buffer.from('mine')]));
    await longer.write(theirs, Readable.from([Buffer.from('theirs')]));
    const foreign = [`${prefix}/files/readme.txt`, `${prefix}/files/x/${theirs}`, `${prefix}/uploads/${theirs}`];
    for (const Key of foreign) await one.client.send(new PutObjectCommand({ Bucket, Key, Body: 'foreign' }));

    expect(await keysOf(one.storage)).toEqual([mine]);
    await one.storage.remove(theirs);
    expect(await longer.sizeOf(theirs)).toBe(6);
    expect((await one.left()).sort()).toEqual([mine, 'readme.txt', theirs, theirs].sort());
    await longer.remove(theirs);
    longer.onApplicationShutdown();
  });

  it('the S3 list covers several pages and contains each object once', async () => {
    const keys = Array.from({ length: 7 }, () => randomUUID());
    for (const key of keys) await one.storage.write(key, Readable.from([Buffer.from('x')]));
    const names = (await all(listingInPagesOf(2, one.config).objects(`${one.config.prefix}/`))).map(({ name }) => name);
    expect(names).toEqual(keys.map(nameOf).sort());
  });

  unlessMissing('unfinished uploads')('finds and removes the remains of dead writers on all pages', async () => {
    const keys = [randomUUID(), randomUUID(), randomUUID()] as const;
    for (const key of [...keys, keys[1], keys[1]]) await leaveUnfinished(one, nameOf(key));
    const unfinished = await all(listingInPagesOf(2, one.config).unfinished(`${one.config.prefix}/`));
    expect(unfinished.map(({ name }) => name).sort()).toEqual([...keys, keys[1], keys[1]].map(nameOf).sort());
    expect(await keysOf(one.storage)).toEqual(expect.arrayContaining([...keys]));
    await one.storage.remove(keys[1]);
    expect((await one.left()).sort()).toEqual([keys[0], keys[2]].sort());
  });

  it('a direct link returns the bytes with the requested headers, whole or by range', async () => {
    const key = randomUUID();
    await one.storage.write(key, Readable.from([Buffer.from('linked')]));
    const url = await one.storage.linkTo(key, LINK);
    const answer = await fetch(url);
    expect([answer.status, await answer.text()]).toEqual([200, 'linked']);
    expect(answer.headers.get('content-type')).toBe(LINK.contentType);
    expect(answer.headers.get('content-disposition')).toBe(LINK.disposition);
    expect(await (await fetch(url, { headers: { range: 'bytes=1-3' } })).text()).toBe('ink');
    await expect(one.storage.linkTo('../x', LINK)).rejects.toThrow('is not a storage key');
  });

  unlessMissing('signatures')('a direct link expires, and is valid for one file with its signed headers', async () => {
    const [key, other] = [randomUUID(), randomUUID()];
    for (const each of [key, other]) await one.storage.write(each, Readable.from([Buffer.from(each)]));
    const url = await one.storage.linkTo(key, LINK);
    for (const forged of [url.replace(key, other), url.replace('x-odd', 'html'), url.replace('=60&', '=61&')]) {
      expect(forged).not.toBe(url);
      expect((await fetch(forged)).status).toBe(403);
    }
    const short = await one.storage.linkTo(key, { ...LINK, expiresInSeconds: 1 });
    await until(async () => (await fetch(short)).status === 403, 'the link to end');
    expect((await fetch(url)).status).toBe(200);
  });

  it('a missing bucket is not reported as a missing file', async () => {
    const storage = new S3Storage({ ...one.config, bucket: `no-such-${randomUUID()}` }, MAX_BYTES);
    await expect(storage.open(randomUUID())).rejects.toMatchObject({ name: 'NoSuchBucket' });
    await expect(storage.sizeOf(randomUUID())).rejects.toMatchObject({ status: 404 });
    await expect(keysOf(storage)).rejects.toMatchObject({ name: 'NoSuchBucket' });
    storage.onApplicationShutdown();
  });

  unlessMissing('signatures')('refused S3 credentials are a server error, and no message contains them', async () => {
    const credentials = { accessKeyId: one.config.credentials?.accessKeyId ?? '', secretAccessKey: 'wrong '.repeat(5) };
    const storage = new S3Storage({ ...one.config, credentials }, MAX_BYTES);
    const error: unknown = await storage.open(randomUUID()).catch((refusal: unknown) => refusal);
    expect(error).toMatchObject({ name: 'SignatureDoesNotMatch', status: 403, statusCode: undefined });
    expectNoSecret(error, credentials);
    storage.onApplicationShutdown();
  });
}

describe('a failing S3 service', () => {
  let place: S3Server;
  let proxy: S3Proxy;
  let one: S3StorageInstance;
  let storage: S3Storage;
  beforeAll(async () => void (place = await startS3rver()));
  afterAll(() => place.stop());
  beforeEach(async () => {
    proxy = await S3Proxy.to(place.config.endpoint);
    one = new S3StorageInstance(place.config);
    storage = new S3Storage({ ...one.config, endpoint: proxy.endpoint }, MAX_BYTES);
  });
  afterEach(async () => {
    storage.onApplicationShutdown();
    await Promise.all([proxy.close(), one.close()]);
  });
  const write = (key: string, bytes: Buffer): Promise<void> => storage.write(key, Readable.from([bytes]));

  it('receives refused requests again, including parts, and stores nothing twice', async () => {
    const [key, bytes, fates] = [randomUUID(), randomBytes(12 * MIB), new Set<string>()];
    proxy.fateOf = (request) => (fates.has(request) ? 'pass' : (fates.add(request), 'refuse')); // refuses each request once
    await write(key, bytes);
    expect(fates.size).toBeGreaterThanOrEqual(3); // begin, parts, complete
    expect(Buffer.compare(await buffer(await storage.open(key)), bytes)).toBe(0);
  });

  it.each([1, 12 * MIB])('that loses its responses leaves no object after a failed write: %d bytes', async (size) => {
    const key = randomUUID();
    const stores = size === 1 ? /^PUT/ : /^POST \?uploadId/;
    proxy.fateOf = (request) => (stores.test(request) ? 'lose' : 'pass');
    await expect(write(key, randomBytes(size))).rejects.toMatchObject({ statusCode: 503 });
    expect(proxy.seen.filter((request) => stores.test(request)).length).toBe(3);
    expect(await one.left()).toEqual([]);
  });

  it.each(['refuse', 'hang', 'lose'] as const)('is reported as unavailable within the timeout: %s', async (fate) => {
    proxy.fateOf = () => fate;
    storage = impatient({ ...one.config, endpoint: proxy.endpoint }, SHORT);
    const source = Readable.from([randomBytes(12 * MIB)]);
    const uses = [
      ...[storage.open(randomUUID()), storage.sizeOf(randomUUID()), storage.remove(randomUUID()), keysOf(storage)],
      ...[storage.write(randomUUID(), source), write(randomUUID(), Buffer.from('x'))],
    ];
    await Promise.all(uses.map((use) => expect(use).rejects.toMatchObject({ statusCode: 503 })));
    expect(source.destroyed).toBe(true);
  });

  it('that is unreachable is reported as unavailable within the timeout', async () => {
    await proxy.close();
    await expect(storage.open(randomUUID())).rejects.toMatchObject({ statusCode: 503 });
    await expect(write(randomUUID(), Buffer.from('x'))).rejects.toMatchObject({ statusCode: 503 });
    proxy = await S3Proxy.to(place.config.endpoint);
  });

  it.each(['stall', 'break'] as const)('that fails during a download fails only that download: %s', async (fate) => {
    const [key, bytes] = [randomUUID(), randomBytes(MIB)];
    await write(key, bytes);
    proxy.fateOf = () => fate;
    storage = impatient({ ...one.config, endpoint: proxy.endpoint }, { ...TIMEOUTS, silence: 2_000 });
    const stream = await storage.open(key);
    await expect(buffer(stream)).rejects.toThrow();
    proxy.fateOf = () => 'pass';
    expect(Buffer.compare(await buffer(await storage.open(key)), bytes)).toBe(0);
  });

  it('that ignores the requested range causes an error', async () => {
    const key = randomUUID();
    await write(key, randomBytes(MIB));
    proxy.fateOf = () => 'deaf';
    const before = proxy.connections;
    await expect(storage.open(key, { start: 5, end: 9 })).rejects.toThrow('S3 has 1048576 bytes');
    await until(() => proxy.connections === before, 'the rest to be refused');
  });

  it('an aborted write waits for its current part, and leaves nothing', async () => {
    const [abort, source] = [new AbortController(), new PassThrough()];
    proxy.fateOf = (request) => {
      if (!request.includes('partNumber')) return 'pass';
      abort.abort();
      return 'delay';
    };
    const refusal = expect(storage.write(randomUUID(), source, abort.signal)).rejects.toMatchObject({
      name: 'AbortError',
    });
    source.write(randomBytes(6 * MIB));
    await refusal;
    expect(proxy.answered.map((request) => request.split(/[ &=]/).slice(0, 2).join(' '))).toEqual(
      ['POST ?uploads', 'PUT ?partNumber', 'GET ?prefix', 'DELETE ?x-id'], // begin, send, look for remains, remove
    );
    expect(await one.left()).toEqual([]);
  });

  it('a refused part ends the write although its source is idle', async () => {
    const source = new PassThrough();
    proxy.fateOf = (request) => (request.includes('partNumber') ? 'refuse' : 'pass');
    const refusal = expect(storage.write(randomUUID(), source)).rejects.toMatchObject({ statusCode: 503 });
    source.write(randomBytes(6 * MIB));
    await refusal;
    expect(source.destroyed).toBe(true);
    expect(await one.left()).toEqual([]);
  });

  it('a write does not read faster than it uploads', async () => {
    let read = 0;
    const endless = new Readable({ read: (size) => void (endless.push(Buffer.alloc(size)), (read += size)) });
    proxy.fateOf = (request) => (request.includes('partNumber') ? 'hang' : 'pass');
    storage = impatient({ ...one.config, endpoint: proxy.endpoint }, { ...TIMEOUTS, part: 2_000 });
    await expect(storage.write(randomUUID(), endless)).rejects.toMatchObject({ statusCode: 503 });
    const parts = proxy.seen.flatMap((request) => /partNumber=(\d+)/.exec(request)?.[1] ?? []);
    expect(new Set(parts)).toEqual(new Set(['1', '2']));
    expect(read).toBeLessThan(16 * MIB);
  });

  it('connections are reused, also for large parts, and close at shutdown', async () => {
    await write(randomUUID(), randomBytes(22 * MIB));
    expect(new Set(proxy.seen).size).toBe(7); // begin, five parts, complete
    expect(proxy.opened).toBeLessThanOrEqual(3);
    expect(proxy.connections).toBe(proxy.opened);
    storage.onApplicationShutdown();
    await until(() => proxy.connections === 0, 'the connections to end');
  });
});

it('an S3 error that quotes the request is not passed on', async () => {
  const credentials = { accessKeyId: 'AKIDQUOTED', secretAccessKey: 'not to be shown' };
  const quoting = createServer((request, answer) => {
    const quote = Object.entries(request.headers).join('\n').replaceAll('<', '');
    answer.writeHead(403, { 'content-type': 'application/xml' });
    answer.end(`<Error><Code>SignatureDoesNotMatch</Code><Message>No.</Message><AWSAccessKeyId>AKIDQUOTED</AWSAccessKeyId>
      <StringToSign>${quote}</StringToSign><CanonicalRequest>${quote}</CanonicalRequest></Error>`);
  }).listen(0, '127.0.0.1');
  await once(quoting, 'listening');
  const endpoint = `http://127.0.0.1:${(quoting.address() as AddressInfo).port}`;
  const storage = new S3Storage({ ...BASE, endpoint, credentials }, MAX_BYTES);
  for (const use of [
    () => storage.open(randomUUID()),
    () => storage.write(randomUUID(), Readable.from([Buffer.from('x')])),
  ]) {
    const error: unknown = await use().catch((refusal: unknown) => refusal);
    expect(error).toMatchObject({ name: 'SignatureDoesNotMatch', message: expect.stringContaining('No.') });
    expectNoSecret(error, credentials);
  }
  storage.onApplicationShutdown();
  quoting.close();
});

describe('the S3 settings', () => {
  it('select the storage', async () => {
    expect(await storageOf({})).toBeInstanceOf(LocalStorage);
    const storage = await storageOf({ FILE_STORAGE: 's3', S3_BUCKET: 'b' });
    expect(storage).toBeInstanceOf(S3Storage);
  });

  it('derive the part size from the maximum file size', () => {
    const partSizeFor = (maxBytes: number): number => new S3Storage(BASE, maxBytes)['partSize'];
    expect(partSizeFor(1)).toBe(5 * MIB);
    expect(partSizeFor(MAX_BYTES)).toBe(5 * MIB);
    for (const maxBytes of [2 ** 36, 2 ** 40, 5 * 2 ** 40]) {
      const sealed = maxBytes + 16 * Math.ceil(maxBytes / 65_536);
      expect(Math.ceil(sealed / partSizeFor(maxBytes))).toBeLessThanOrEqual(10_000);
    }
  });
});

function storageOf(env: Record<string, string>): Promise<FileStorage> {
  const config = testConfig('postgres://x', env);
  return storageFor(config.get(EmbeddedSettings), config.get(StorageSettings));
}

const BASE: S3Config = {
  ...{ endpoint: 'http://127.0.0.1:9', region: 'us-east-1', bucket: 'files', prefix: 'test', credentials: undefined },
  ...{ pathStyle: true, redirect: false },
};
const SHORT: S3Timeouts = { connection: 300, answer: 300, part: 300, silence: 60_000 };

function impatient(config: S3Config, timeouts: S3Timeouts): S3Storage {
  return new S3Storage(config, MAX_BYTES, timeouts);
}

function listingInPagesOf(count: number, config: S3Config): S3Listing {
  const client = createS3Client(config, TIMEOUTS);
  const pages = { MaxKeys: count, MaxUploads: count };
  client.middlewareStack.add((next) => (args) => next({ ...args, input: { ...args.input, ...pages } }), {
    step: 'initialize',
  });
  return new S3Listing(client, config.bucket, { requestTimeout: 10_000 });
}

async function leaveUnfinished({ client, config }: S3StorageInstance, Key: string): Promise<void> {
  const at = { Bucket: config.bucket, Key };
  const { UploadId } = await client.send(new CreateMultipartUploadCommand(at));
  await client.send(new UploadPartCommand({ ...at, UploadId, PartNumber: 1, Body: 'x' }));
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

async function keysOf(storage: S3Storage): Promise<string[]> {
  return (await all(storage.list())).map(({ key }) => key);
}

function expectNoSecret(error: unknown, { accessKeyId, secretAccessKey }: Record<string, string>): void {
  const shown = inspect(error, { depth: Infinity, showHidden: true });
  for (const secret of [accessKeyId, secretAccessKey, 'AWS4-HMAC']) expect(shown).not.toContain(secret);
}
