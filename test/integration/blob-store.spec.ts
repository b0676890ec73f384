// The blob store on each storage: size limits, digests, media types, and encryption that detects every change.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { StorageSettings } from '../../src/storage/storage.settings.js';
import { type BlobAddress, BlobStore } from '../../src/storage/blobs/blob-store.js';
import type { Rules } from '../../src/storage/blobs/inspector.js';
import { Keyring } from '../../src/storage/blobs/keyring.js';
import type { ByteRange, FileStorage } from '../../src/storage/file-storage.js';
import { testConfig } from '../support/config.js';
import { below, seeded } from '../support/fuzz/random.js';
import {
  descriptors,
  inRandomChunks,
  type StorageInstance,
  STORAGE_KINDS,
  type StorageKind,
} from '../support/files/storages.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

/** The plaintext bytes of a chunk, and the bytes that encryption adds to it. */
const CHUNK = 65_536;
const TAG = 16;
const SEALED = CHUNK + TAG;
const MAX_BYTES = 1_000_001;
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

const newKey = (id: string): string => `${id}:${randomBytes(32).toString('base64')}`;
const [OLD, NEW] = [newKey('old'), newKey('new')] as const;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const RULES: Rules = { maxBytes: MAX_BYTES, tooLarge: () => new Error('too large'), declaredType: 'application/x-own' };

for (const { name, available, start } of STORAGE_KINDS) {
  const suite = available ? describe : describe.skip;
  suite(`the blob store in ${name}`, () => suiteOf(start));
}

function suiteOf(start: StorageKind['start']): void {
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

  /** Stores plaintext without `keys`; the first key encrypts new blobs. */
  const storeWith = (...keys: string[]): BlobStore => {
    const env = keys.length > 0 ? { FILE_ENCRYPTION_KEYS: keys.join() } : undefined;
    return new BlobStore(storage, new Keyring(testConfig('postgres://no.database', env).get(StorageSettings)));
  };

  async function write(store: BlobStore, bytes: Buffer, rules: Partial<Rules> = {}): Promise<BlobAddress> {
    const storageKey = randomUUID();
    const { size, keyId } = await store.write(storageKey, inRandomChunks(bytes), { ...RULES, ...rules });
    return { storageKey, size, keyId };
  }

  /** Replaces the stored bytes. */
  async function exchange({ storageKey }: BlobAddress, change: (stored: Buffer) => Buffer): Promise<void> {
    const changed = change(await buffer(await storage.open(storageKey)));
    await storage.remove(storageKey);
    await storage.write(storageKey, inRandomChunks(changed));
  }

  describe.each([
    ['a plaintext blob', []],
    ['an encrypted blob', [NEW]],
  ])('%s', (_how, keys) => {
    let store: BlobStore;
    beforeEach(() => void (store = storeWith(...keys)));

    it.each([0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, MAX_BYTES])(
      'is measured, hashed, and read back whole and in any range: %d bytes',
      async (size) => {
        const [storageKey, bytes] = [randomUUID(), randomBytes(size)];
        const written = await store.write(storageKey, inRandomChunks(bytes), RULES);
        expect(written).toMatchObject({ size, sha256: sha256(bytes), keyId: keys.length > 0 ? 'new' : null });
        const address = { ...written, storageKey };
        expectSame(await buffer(await store.open(address)), bytes);
        for (const range of rangesOf(size))
          expectSame(await buffer(await store.open(address, range)), bytes.subarray(range.start, range.end + 1));
      },
    );

    it('may be larger than one request to the storage', async () => {
      const bytes = randomBytes(11 * 2 ** 20 + 7);
      const address = await write(store, bytes, { maxBytes: Infinity });
      expectSame(await buffer(await store.open(address)), bytes);
      const range = { start: 5 * 2 ** 20 - 3, end: 10 * 2 ** 20 + 3 };
      expectSame(await buffer(await store.open(address, range)), bytes.subarray(range.start, range.end + 1));
    });

    it('may be text in many small chunks', async () => {
      const lines = Array.from({ length: 20_000 }, (_, at) => `${at};ümlaut\n`);
      const bytes = Buffer.from(lines.join(''));
      const storageKey = randomUUID();
      const written = await store.write(storageKey, Readable.from(lines), { ...RULES, declaredType: 'text/csv' });
      expect(written).toMatchObject({ size: bytes.length, sha256: sha256(bytes), mediaType: 'text/csv' });
      expectSame(await buffer(await store.open({ ...written, storageKey })), bytes);
    });

    it.each<[what: string, bytes: Buffer, declared: string, found: string]>([
      ['an image declared as text', PNG, 'text/plain', 'image/png'],
      ['an HTML page declared as text', Buffer.from(' <!DOCTYPE html><p>'), 'text/plain', 'text/html'],
      ['an SVG with a script declared as PNG', Buffer.from('<svg onload="x()">'), 'image/png', 'image/svg+xml'],
      ['text', Buffer.from('ordinary'), 'text/plain', 'text/plain'],
      ['ordinary text declared as PNG', Buffer.from('ordinary'), 'image/png', 'application/octet-stream'],
      ['binary data declared as text', Buffer.from('a\0b'), 'text/plain', 'application/octet-stream'],
      ['an unknown type', randomBytes(50), 'application/x-own', 'application/x-own'],
      ['no bytes', Buffer.alloc(0), 'text/plain', 'text/plain'],
    ])('gets its media type from its bytes: %s', async (_what, bytes, declaredType, found) => {
      for (const chunks of [[bytes], [...bytes].map((byte) => Buffer.from([byte]))]) {
        const written = await store.write(randomUUID(), Readable.from(chunks, { objectMode: false }), {
          ...RULES,
          declaredType,
        });
        expect(written.mediaType).toBe(found);
      }
    });

    describe('leaves no bytes and no file descriptors, and destroys the source,', () => {
      let before: number;
      beforeEach(async () => void (before = await descriptors()));
      afterEach(async () => {
        expect(await one.left()).toEqual([]);
        await until(async () => (await descriptors()) <= before + one.keeps, 'descriptors to be closed');
      });

      async function expectRefusal(source: Readable, fault: object, rules: Partial<Rules> = {}, signal?: AbortSignal) {
        const writing = store.write(randomUUID(), source, { ...RULES, ...rules }, signal);
        await expect(writing).rejects.toMatchObject(fault);
        expect(source.destroyed).toBe(true);
      }

      it.each([1, CHUNK, MAX_BYTES, 11 * 2 ** 20])('after one byte more than the limit of %d', (maxBytes) =>
        expectRefusal(inRandomChunks(randomBytes(maxBytes + 1)), { message: 'too large' }, { maxBytes }),
      );

      it('after an endless source, which is not read to its end', async () => {
        let read = 0;
        const endless = new Readable({ read: (size) => void (endless.push(Buffer.alloc(size)), (read += size)) });
        await expectRefusal(endless, { message: 'too large' });
        expect(read).toBeLessThan(MAX_BYTES + 1_000_000);
      });

      it('after a refused media type, before any byte is stored', async () => {
        let read = 0;
        const source = Readable.from(
          (function* () {
            for (const chunk of [PNG, ...Array<Buffer>(1_000).fill(randomBytes(5_000))]) {
              read++;
              yield chunk;
            }
          })(),
        );
        const refused = new Error('no pictures');
        const expectType = (type: string): void => {
          if (type === 'image/png') throw refused;
        };
        await expectRefusal(source, refused, { maxBytes: Infinity, expectType });
        expect(read).toBeLessThan(50);
      });

      it.each([100_000, 12 * 2 ** 20])(
        'after a source that fails, closes early or is aborted: %d bytes',
        async (size) => {
          const abort = new AbortController();
          const ends: Array<[end: (source: PassThrough) => unknown, fault: object]> = [
            [(source) => source.destroy(new Error('the line is dead')), { message: 'the line is dead' }],
            [(source) => source.destroy(), { code: 'ERR_STREAM_PREMATURE_CLOSE' }],
            [() => abort.abort(), { name: 'AbortError' }],
          ];
          for (const [end, fault] of ends) {
            const source = new PassThrough();
            const refusal = expectRefusal(source, fault, { maxBytes: Infinity }, abort.signal);
            for (let at = 0; at < size; at += CHUNK) source.write(randomBytes(CHUNK));
            await until(() => source.readableLength + source.writableLength === 0, 'the bytes to be read');
            end(source);
            await refusal;
          }
        },
      );

      it('after a complete or aborted download', async () => {
        const address = await write(store, randomBytes(20 * 2 ** 20), { maxBytes: Infinity });
        for (let round = 0; round < 10; round++) {
          const stream = await store.open(address);
          await new Promise((resolve) => stream.once('readable', resolve));
          stream.destroy();
          (await store.open(address, { start: 5, end: 9_000_000 })).destroy();
        }
        await storage.remove(address.storageKey);
      });
    });

    it('throws NoSuchBytes when it is missing', async () => {
      const nowhere = { storageKey: randomUUID(), keyId: keys.length > 0 ? 'new' : null, size: 5 };
      await expect(store.open(nowhere)).rejects.toMatchObject({ name: 'NoSuchBytes' });
    });
  });

  describe('an encrypted blob on disk', () => {
    const bytes = randomBytes(3 * CHUNK + 100);
    let store: BlobStore;
    let address: BlobAddress;
    beforeEach(async () => {
      store = storeWith(NEW);
      address = await write(store, bytes);
    });

    const read = (range?: ByteRange): Promise<Buffer> => store.open(address, range).then(buffer);
    const expectFailure = (range?: ByteRange): Promise<void> =>
      expect(read(range)).rejects.toThrow('not those that were written');

    it('shows no pattern: equal blobs have different bytes', async () => {
      const [first, second] = [
        await write(store, Buffer.alloc(9_000, 'secret')),
        await write(store, Buffer.alloc(9_000, 'secret')),
      ];
      const [one, other] = await Promise.all(
        [first, second].map(async (each) => buffer(await storage.open(each.storageKey))),
      );
      expect(one).toHaveLength(9_000 + TAG);
      expect(one?.includes('secret')).toBe(false);
      expect(one?.equals(other as Buffer)).toBe(false);
    });

    it.each([
      0,
      CHUNK - 1,
      CHUNK,
      SEALED - 1,
      SEALED,
      2 * SEALED + 5,
      3 * SEALED + 99,
      3 * SEALED + 100,
      3 * SEALED + 115,
    ])('fails to decrypt when one bit of byte %d has changed, but its other chunks remain readable', async (at) => {
      await exchange(address, (stored) => {
        stored.writeUInt8(stored.readUInt8(at) ^ 1, at);
        return stored;
      });
      await expectFailure();
      const chunk = Math.floor(at / SEALED);
      await expectFailure({ start: chunk * CHUNK, end: chunk * CHUNK });
      const other = { start: chunk === 0 ? CHUNK : 0, end: chunk === 0 ? bytes.length - 1 : chunk * CHUNK - 1 };
      expectSame(await read(other), bytes.subarray(other.start, other.end + 1));
    });

    it.each<[how: string, change: (...chunks: [Buffer, Buffer, Buffer, Buffer]) => Buffer[]]>([
      ['when it is truncated between two chunks', (a, b) => [a, b]],
      ['when it is truncated after all whole chunks', (a, b, c) => [a, b, c]],
      ['when it is truncated in the last chunk', (a, b, c, d) => [a, b, c, d.subarray(0, -1)]],
      ['when its first chunk is missing', (_a, b, c, d) => [b, c, d]],
      ['when two chunks are swapped', (a, b, c, d) => [b, a, c, d]],
      ['when a middle chunk is missing', (a, _b, c, d) => [a, c, d]],
      ['when a chunk replaces the next one', (a, b, _c, d) => [a, b, b, d]],
      ['when the last chunk comes first', (a, b, c, d) => [d, a, b, c]],
    ])('fails to decrypt %s', async (_how, change) => {
      await exchange(address, (stored) => {
        const chunks = [0, 1, 2, 3].map((at) => stored.subarray(at * SEALED, (at + 1) * SEALED));
        return Buffer.concat(change(...(chunks as [Buffer, Buffer, Buffer, Buffer])));
      });
      await expect(read()).rejects.toThrow();
    });

    it('fails to decrypt in the place of another blob with the same key and size', async () => {
      const other = await write(store, randomBytes(bytes.length));
      const foreign = await buffer(await storage.open(other.storageKey));
      await exchange(address, () => foreign);
      await expectFailure();
      await expectFailure({ start: 5, end: 6 });
    });

    it('fails to decrypt under the size of another blob', async () => {
      for (const size of [bytes.length - 1, bytes.length + 1, 3 * CHUNK, 2 * CHUNK, 1])
        await expect(store.open({ ...address, size }).then(buffer)).rejects.toThrow();
    });

    it.each([
      [8, 4],
      [0, 8],
    ])('of %d bytes fails to decrypt with a tag of only %d bytes, which is easier to guess', async (size, length) => {
      address = await write(store, Buffer.alloc(size, 'x'));
      await exchange(address, (stored) => stored.subarray(0, size + length)); // a truncated tag is a prefix of the full tag
      await expect(store.open(address).then(buffer)).rejects.toThrow();
    });

    it('is still readable after a new key becomes the first, and only with its own key', async () => {
      const old = await write(storeWith(OLD), bytes);
      expect(old.keyId).toBe('old');
      const both = storeWith(NEW, OLD);
      expectSame(await buffer(await both.open(old)), bytes);
      expectSame(await buffer(await both.open(address)), bytes);
      expect((await write(both, bytes)).keyId).toBe('new');
      await expect(buffer(await both.open({ ...old, keyId: 'new' }))).rejects.toThrow('not those that were written');
    });

    it('with a missing key throws an error with a cure', async () => {
      const cure = 'FILE_ENCRYPTION_KEYS lacks the key new, with which files are encrypted. Restore it.';
      await expect(storeWith(OLD).open(address)).rejects.toThrow(cure);
      await expect(storeWith().open(address)).rejects.toThrow(cure);
    });

    it('has no direct link', async () => {
      const options = { contentType: 'text/plain', disposition: 'attachment', expiresInSeconds: 60 };
      expect(await store.linkTo(address, options)).toBeNull();
      const clear = await write(storeWith(), bytes);
      expect(await store.linkTo(clear, options)).toEqual(await storage.linkTo(clear.storageKey, options));
    });
  });
}

/** Returns random ranges, and ranges at the edges of chunks. */
function rangesOf(size: number): ByteRange[] {
  if (size === 0) return [];
  const random = seeded(size);
  const edges = [0, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK - 1, 2 * CHUNK, size - 2, size - 1];
  const within = [...new Set(edges)].filter((at) => at >= 0 && at < size);
  const pairs = within.flatMap((start) => within.map((end) => ({ start, end })));
  const others = Array.from({ length: 30 }, () => ({ start: below(random, size), end: below(random, size) }));
  return [...pairs, ...others].filter(({ start, end }) => start <= end && end > 0); // s3rver mishandles 0-0
}

/** The comparison of large buffers in Jest takes seconds. */
function expectSame(one: Buffer, other: Buffer): void {
  expect([one.length, one.equals(other)]).toEqual([other.length, true]);
}
