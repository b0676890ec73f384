// The contract of file storages: a write is complete or absent after any failure, and only valid keys are accepted.
import { randomBytes, randomUUID } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { FileStorage, StoredObject } from '../../src/storage/file-storage.js';
import { below, seeded } from '../support/fuzz/random.js';
import type { MissingFeature } from '../support/engines/s3-servers.js';
import {
  descriptors,
  inRandomChunks,
  type StorageInstance,
  STORAGE_KINDS,
  type StorageKind,
} from '../support/files/storages.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

const MIB = 2 ** 20;
/** Larger than one request: S3 receives it in parts of 5 MiB each. */
const IN_PARTS = 12 * MIB + 345;

/** Only names that do not exist outside, with fewer steps up than the base folder is deep: a failing test harms nothing. */
const HOSTILE_KEYS = [
  ...['', '.', '..', '../decoy', '../../decoy', '/decoy', `../${randomUUID()}`, `${randomUUID()}/x`],
  ...[`${randomUUID()}\0`, `${randomUUID()}\n`, randomUUID().toUpperCase(), 'incoming', 'name.txt'],
];
const NO_KEY = 'is not a storage key';

for (const { name, available, missing, start } of STORAGE_KINDS) {
  const suite = available ? describe : describe.skip;
  suite(`file storage in ${name}`, () => contract(start, missing));
}

function contract(start: StorageKind['start'], missing: readonly MissingFeature[]): void {
  let place: Awaited<ReturnType<StorageKind['start']>>;
  let one: StorageInstance;
  let storage: FileStorage;
  beforeAll(async () => void (place = await start()));
  afterAll(() => place?.stop());
  beforeEach(async () => {
    one = await place.open();
    ({ storage } = one);
  });
  afterEach(() => one.close());

  const unlessMissing = (feature: MissingFeature): typeof it | typeof it.skip =>
    missing.includes(feature) ? it.skip : it;

  describe('a stored file', () => {
    it.each([0, 1, 65_536, 300_001, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1, 10 * MIB, IN_PARTS])(
      'is read back: %d bytes',
      async (size) => {
        const [key, bytes] = [randomUUID(), randomBytes(size)];
        await storage.write(key, inRandomChunks(bytes));
        expect(await one.left()).toEqual([key]);
        expect(await storage.sizeOf(key)).toBe(size);
        expect(Buffer.compare(await buffer(await storage.open(key)), bytes)).toBe(0);
      },
    );

    it('is read by range', async () => {
      const [key, bytes] = [randomUUID(), randomBytes(1_000_001)];
      await storage.write(key, inRandomChunks(bytes));
      const random = seeded(1);
      const ranges = Array.from({ length: 30 }, () => {
        const start = below(random, bytes.length - 1);
        return { start, end: start + 1 + below(random, bytes.length - start - 1) };
      });
      const edges = [
        { start: 0, end: 1 },
        { start: 0, end: bytes.length - 1 },
        { start: bytes.length - 1, end: bytes.length - 1 },
        { start: 65_536, end: 65_536 },
      ];
      for (const range of [...ranges, ...edges]) {
        const part = await buffer(await storage.open(key, range));
        expect(Buffer.compare(part, bytes.subarray(range.start, range.end + 1))).toBe(0);
      }
    });

    unlessMissing('a range of the first byte alone')('is read by the range of its first byte', async () => {
      const key = randomUUID();
      await storage.write(key, inRandomChunks(Buffer.from('xyz')));
      expect(await text(storage, key, { start: 0, end: 0 })).toBe('x');
    });

    it('disappears when it is removed once or twice, and no other file does', async () => {
      const [key, other] = [randomUUID(), randomUUID()];
      for (const each of [key, other]) await storage.write(each, Readable.from([Buffer.from(each)]));
      await storage.remove(key);
      await storage.remove(key);
      expect(await one.left()).toEqual([other]);
      await expect(storage.open(key)).rejects.toMatchObject({ name: 'NoSuchBytes' });
      expect(await storage.sizeOf(key)).toBeNull();
      expect(await text(storage, other)).toBe(other);
    });

    it.each([200_000, IN_PARTS])('is not visible before its last byte: %d bytes', async (size) => {
      const [key, bytes] = [randomUUID(), randomBytes(size)];
      const source = new PassThrough();
      const writing = storage.write(key, source);
      await feed(source, bytes);
      await expect(storage.open(key)).rejects.toMatchObject({ name: 'NoSuchBytes' });
      expect(await storage.sizeOf(key)).toBeNull();
      source.end();
      await writing;
      expect(await storage.sizeOf(key)).toBe(size);
    });

    it('stays separate from files that are written and read at the same time', async () => {
      const all = new Map(Array.from({ length: 40 }, (_, at) => [randomUUID(), randomBytes(at * 20_000)]));
      await Promise.all([...all].map(([key, bytes]) => storage.write(key, inRandomChunks(bytes))));
      await Promise.all(
        [...all].map(async ([key, bytes]) =>
          expect(Buffer.compare(await buffer(await storage.open(key)), bytes)).toBe(0),
        ),
      );
    });
  });

  describe('the list of a storage', () => {
    it('is empty at first', async () => expect(await listed(storage)).toEqual([]));

    it('contains every file with its size and time', async () => {
      const sizes = new Map(Array.from({ length: 5 }, (_, at) => [randomUUID(), at * 1_000]));
      const before = Date.now() - 2_000; // S3 reports whole seconds
      for (const [key, size] of sizes) await storage.write(key, inRandomChunks(Buffer.alloc(size)));
      const found = await listed(storage);
      expect(new Map(found.map(({ key, size }) => [key, size]))).toEqual(sizes);
      expect(found).toHaveLength(sizes.size);
      for (const { modifiedAt } of found) {
        expect(modifiedAt.getTime()).toBeGreaterThan(before);
        expect(modifiedAt.getTime()).toBeLessThan(Date.now() + 2_000);
      }
    });

    unlessMissing('unfinished uploads')('contains unfinished uploads until they are removed', async () => {
      const [key, source] = [randomUUID(), new PassThrough()];
      const writing = expect(storage.write(key, source)).rejects.toThrow();
      await feed(source, randomBytes(IN_PARTS));
      const found = await until(
        async () => (await listed(storage)).find((each) => each.key === key),
        'it to be listed',
      );
      expect(Math.abs(found.modifiedAt.getTime() - Date.now())).toBeLessThan(30_000);
      await storage.remove(key);
      expect(await one.left()).toEqual([]);
      source.destroy();
      await writing;
      expect(await listed(storage)).toEqual([]);
    });
  });

  describe('a storage leaves no bytes and no file descriptors, and destroys the source,', () => {
    let before: number;
    beforeEach(async () => void (before = await descriptors()));
    afterEach(async () => {
      expect(await one.left()).toEqual([]);
      await until(async () => (await descriptors()) <= before + one.keeps, 'descriptors to be closed');
    });

    async function expectRefusal(source: Readable, fault: object, signal?: AbortSignal, key: string = randomUUID()) {
      await expect(storage.write(key, source, signal)).rejects.toMatchObject(fault);
      expect(source.destroyed).toBe(true);
    }

    it.each([100_000, IN_PARTS])('when the source fails after %d bytes', async (size) => {
      const source = new PassThrough();
      const refusal = expectRefusal(source, { message: 'the line is dead' });
      await feed(source, randomBytes(size));
      source.destroy(new Error('the line is dead'));
      await refusal;
    });

    it('when the source failed before the write', async () => {
      const source = new PassThrough().on('error', () => undefined);
      source.destroy(new Error('dead on arrival'));
      await turn();
      await expectRefusal(source, { message: 'dead on arrival' });
    });

    it.each([100_000, IN_PARTS])('when the source closes early after %d bytes', async (size) => {
      const source = new PassThrough();
      const refusal = expectRefusal(source, { code: 'ERR_STREAM_PREMATURE_CLOSE' });
      await feed(source, randomBytes(size));
      source.destroy();
      await refusal;
    });

    it.each([100_000, IN_PARTS])('when the write is aborted while the source is idle, after %d bytes', async (size) => {
      const [abort, source] = [new AbortController(), new PassThrough()];
      const refusal = expectRefusal(source, { name: 'AbortError' }, abort.signal);
      await feed(source, randomBytes(size));
      abort.abort();
      await refusal;
    });

    it('when the write was aborted before it began', () =>
      expectRefusal(new PassThrough(), { name: 'AbortError' }, AbortSignal.abort()));

    it('when the write is aborted at any moment, unless it was complete', async () => {
      const random = seeded(2);
      for (let round = 0; round < 20; round++) {
        const [abort, key] = [new AbortController(), randomUUID()];
        const timer = setTimeout(() => abort.abort(), below(random, 120));
        const isWritten = await storage.write(key, inRandomChunks(randomBytes(IN_PARTS)), abort.signal).then(
          () => true,
          () => false,
        );
        clearTimeout(timer);
        expect([round, await one.left()]).toEqual([round, isWritten ? [key] : []]);
        await storage.remove(key);
      }
    });

    it('after a complete or aborted read', async () => {
      const key = randomUUID();
      await storage.write(key, inRandomChunks(randomBytes(20 * MIB)));
      for (let round = 0; round < 10; round++) {
        const stream = await storage.open(key);
        await new Promise((resolve) => stream.once('readable', resolve));
        stream.destroy();
        (await storage.open(key, { start: 5, end: 9_000_000 })).destroy();
        await buffer(await storage.open(key, { start: 5, end: 9 }));
      }
      await storage.remove(key);
    });

    it.each(HOSTILE_KEYS)('when the key is invalid: %j', async (key) => {
      await expectRefusal(Readable.from(['x']), { message: expect.stringContaining(NO_KEY) }, undefined, key);
      await expect(storage.open(key)).rejects.toThrow(NO_KEY);
      await expect(storage.sizeOf(key)).rejects.toThrow(NO_KEY);
      await expect(storage.remove(key)).rejects.toThrow(NO_KEY);
    });
  });

  it('slow readers do not block other readers', async () => {
    const key = randomUUID();
    await storage.write(key, inRandomChunks(randomBytes(8 * MIB)));
    const slow = await Promise.all(Array.from({ length: 80 }, () => storage.open(key)));
    expect(await storage.sizeOf(key)).toBe(8 * MIB);
    for (const stream of slow) stream.destroy();
  });
}

/** Waits until the storage has read all bytes. */
async function feed(source: PassThrough, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += 65_536) source.write(bytes.subarray(at, at + 65_536));
  await until(() => source.readableLength + source.writableLength === 0, 'the bytes to be read');
}

async function listed(storage: FileStorage): Promise<StoredObject[]> {
  const all: StoredObject[] = [];
  for await (const each of storage.list()) all.push(each);
  return all;
}

async function text(storage: FileStorage, key: string, range?: { start: number; end: number }): Promise<string> {
  return (await buffer(await storage.open(key, range))).toString();
}
