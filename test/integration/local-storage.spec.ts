// The local file storage beyond the shared contract: file permissions, obstacles, and confinement to its folder.
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { requestContext, RunningRequest } from '../../src/shared/logging/request-context.js';
import type { FileStorage } from '../../src/storage/file-storage.js';
import { descriptors, LocalStorageInstance } from '../support/files/storages.js';
import { until } from '../support/time/until.js';

let one: LocalStorageInstance;
let storage: FileStorage;
beforeEach(async () => {
  one = await LocalStorageInstance.open();
  ({ storage } = one);
});
afterEach(() => one.close());

const pathOf = (key: string): string => join(one.root, 'files', key.slice(0, 2), key.slice(2, 4), key);
const asideOf = (key: string): string => join(one.root, 'files/incoming', key);
const bytes = (text: string): Readable => Readable.from([Buffer.from(text)]);

async function plant(path: string, text = 'planted'): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}

/** Bytes that arrived in each turn of the event loop, in order, while `read` runs. */
async function bytesPerTurn(read: (arrived: (chunk: Buffer) => void) => Promise<unknown>): Promise<number[]> {
  const turns = [0];
  const reading = { isOver: false };
  const counting = (async () => {
    while (!reading.isOver) {
      await nextTurn();
      turns.push(0);
    }
  })();
  await read(({ length }) => (turns[turns.length - 1]! += length));
  reading.isOver = true;
  await counting;
  return turns;
}

class RequestFrom extends RunningRequest {
  override get network(): string {
    return this.requestId;
  }
}

describe('many streams at once', () => {
  const CHUNK = 262_144;
  const keys = Array.from({ length: 40 }, () => randomUUID());
  beforeEach(() => Promise.all(keys.map((key) => storage.write(key, Readable.from([Buffer.alloc(4 * CHUNK)])))));

  it('send at most a MiB in a turn of the event loop, so that other events are handled between', async () => {
    const streams = await Promise.all(keys.map((key) => storage.open(key)));
    const turns = await bytesPerTurn((arrived) =>
      Promise.all(streams.map((stream) => once(stream.on('data', arrived), 'end'))),
    );
    expect(turns.reduce((sum, bytes) => sum + bytes)).toBe(40 * 4 * CHUNK);
    expect(Math.max(...turns)).toBeLessThanOrEqual(4 * CHUNK);
  });

  it('take turns by network: one network with many streams does not keep another one waiting', async () => {
    const ends: string[] = [];
    const readAll = (network: string, key: string) =>
      requestContext.run(new RequestFrom(network), async () => {
        await once((await storage.open(key)).resume(), 'end');
        ends.push(network);
      });
    await Promise.all(keys.map((key, index) => readAll(index < 39 ? 'many' : 'one', key)));
    expect(ends.indexOf('one')).toBeLessThan(20);
  });
});

describe('a locally stored file', () => {
  it('is stored under its key only, and is readable by its owner only', async () => {
    const key = randomUUID();
    await storage.write(key, bytes('x'));
    expect(await one.left()).toEqual([key]);
    expect((await stat(pathOf(key))).mode & 0o777).toBe(0o600);
    for (const folder of [dirname(pathOf(key)), dirname(dirname(pathOf(key))), join(one.root, 'files/incoming')])
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await readFile(pathOf(key), 'utf8')).toBe('x');
  });

  it('has a temporary name before its last byte, under which `list` and `remove` find it', async () => {
    const [key, source] = [randomUUID(), new PassThrough()];
    const writing = expect(storage.write(key, source)).rejects.toThrow();
    source.write('x');
    await until(async () => (await one.left()).length === 1, 'the first bytes');
    expect(await keysListed()).toEqual([key]);
    await expect(stat(pathOf(key))).rejects.toMatchObject({ code: 'ENOENT' });
    await storage.remove(key); // the sweep assumes that the writer is dead
    expect(await one.left()).toEqual([]);
    source.end();
    await writing;
    expect(await one.left()).toEqual([]);
  });

  it('refuses a second writer of the same key, without an effect on the first', async () => {
    const [key, source] = [randomUUID(), new PassThrough()];
    const writing = storage.write(key, source);
    await until(async () => (await one.left()).length === 1, 'the first writer');
    await expect(storage.write(key, bytes('second'))).rejects.toMatchObject({ code: 'EEXIST' });
    source.end('first');
    await writing;
    expect((await buffer(await storage.open(key))).toString()).toBe('first');
  });
});

describe('the list of the local storage', () => {
  it('contains the remains of dead writers with their age, and no foreign files', async () => {
    const [key, dead] = [randomUUID(), randomUUID()];
    await storage.write(key, bytes('x'));
    await plant(asideOf(dead), 'half');
    await utimes(asideOf(dead), 1_000, 1_000);
    for (const name of ['readme.txt', `${key}.bak`, randomUUID().toUpperCase()])
      await plant(join(one.root, 'files', name));
    await symlink(pathOf(key), join(one.root, 'files', randomUUID()));
    const found = [];
    for await (const each of storage.list()) found.push(each);
    expect(found).toHaveLength(2);
    expect(found).toContainEqual({ key: dead, size: 4, modifiedAt: new Date(1_000_000) });
    expect(found).toContainEqual(expect.objectContaining({ key, size: 1 }));
  });

  it('continues when files disappear during the listing', async () => {
    for (let at = 0; at < 50; at++) await storage.write(randomUUID(), bytes('x'));
    const keys = await keysListed();
    const iterator = storage.list()[Symbol.asyncIterator]();
    await iterator.next();
    await rm(join(one.root, 'files'), { recursive: true });
    while (!(await iterator.next()).done);
    expect(keys).toHaveLength(50);
  });
});

describe('the local storage leaves no bytes and no file descriptors, and destroys the source,', () => {
  let before: number;
  beforeEach(async () => void (before = await descriptors()));
  afterEach(async () => {
    expect(await one.left()).toEqual([]);
    await until(async () => (await descriptors()) <= before, 'descriptors to be closed');
  });

  async function expectRefusal(fault: object, key: string = randomUUID()): Promise<void> {
    const source = bytes('x');
    await expect(storage.write(key, source)).rejects.toMatchObject(fault);
    expect(source.destroyed).toBe(true);
  }

  it('when the disk refuses a write', async () => {
    await plant(join(one.root, 'files'), 'a file where the folder should be');
    await expectRefusal({ code: 'ENOTDIR' });
    await rm(join(one.root, 'files'));
  });

  it('when the folder cannot be created at the last moment', async () => {
    const key = randomUUID();
    await plant(join(one.root, 'files', key.slice(0, 2)), 'a file where the folder should be');
    await expectRefusal({ code: expect.stringMatching(/EEXIST|ENOTDIR/) }, key);
    await rm(join(one.root, 'files', key.slice(0, 2)));
  });

  // Only names that do not exist outside, and fewer steps up than the depth of `ground`, so that a failing test harms nothing.
  it.each([
    ...['', '.', '..', '../decoy', '../../decoy', '/decoy', `../${randomUUID()}`, `${randomUUID()}/x`],
    ...[`${randomUUID()}\0`, `${randomUUID()}\n`, randomUUID().toUpperCase(), 'incoming', 'name.txt'],
  ])('when the key is invalid: %j', async (key) => {
    const depths = ['', 'a', 'a/b', 'a/b/c', 'a/b/c/d', 'a/b/c/d/files'];
    const decoys = depths.map((at) => join(one.ground, at, 'decoy'));
    for (const decoy of decoys) await plant(decoy, 'not yours');
    await expectRefusal({ message: expect.stringContaining('is not a storage key') }, key);
    await expect(storage.open(key)).rejects.toThrow('is not a storage key');
    await expect(storage.sizeOf(key)).rejects.toThrow('is not a storage key');
    await expect(storage.remove(key)).rejects.toThrow('is not a storage key');
    for (const decoy of decoys) expect(await readFile(decoy, 'utf8')).toBe('not yours');
    for (const decoy of decoys) await rm(decoy);
  });
});

it('the local storage neither follows symbolic links nor writes through them', async () => {
  const key = randomUUID();
  const secret = join(one.root, 'secret');
  await plant(secret, 'not yours');
  await mkdir(dirname(pathOf(key)), { recursive: true });
  await mkdir(dirname(asideOf(key)));
  await symlink(secret, pathOf(key));
  await expect(storage.open(key)).rejects.toMatchObject({ code: 'ELOOP' });
  await symlink(secret, asideOf(key));
  await expect(storage.write(key, bytes('x'))).rejects.toMatchObject({ code: 'EEXIST' });
  await storage.remove(key);
  expect(await readFile(secret, 'utf8')).toBe('not yours');
});

it('the local storage has no direct links', async () => {
  const options = { contentType: 'text/plain', disposition: 'attachment', expiresInSeconds: 60 };
  expect(await storage.linkTo(randomUUID(), options)).toBeNull();
});

async function keysListed(): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of storage.list()) keys.push(key);
  return keys;
}
