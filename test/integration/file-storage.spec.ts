// Storages of files, held to their contract: all bytes or nothing, whatever fails, and only under keys of ours.
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { LocalStorage } from '../../src/files/storage/local.storage.js';
import { until } from '../support/until.js';

const MOST = 1_000_000;

/** Ours down to the ground: however a hostile key climbs, a storage that lets it writes nowhere but below `ground`. */
let ground: string;
let root: string;
let storage: LocalStorage;
beforeEach(async () => {
  ground = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
  root = join(ground, 'a/b/c/d');
  await mkdir(root, { recursive: true });
  storage = new LocalStorage(join(root, 'files'));
});
afterEach(() => rm(ground, { recursive: true, force: true }));

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const pathOf = (key: string): string => join(root, 'files', key.slice(0, 2), key.slice(2, 4), key);
const descriptors = (): Promise<string[]> => readdir('/proc/self/fd').catch(() => []);

/** Every file below the ground, folders apart. */
async function filesLeft(): Promise<string[]> {
  const entries = await readdir(ground, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
}

/** Some bytes, and then nothing more. */
function stalled(bytes: Uint8Array): PassThrough {
  const source = new PassThrough();
  source.write(bytes);
  return source;
}

describe('what is written', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['one byte', Buffer.from('x')],
    ['several pieces', randomBytes(300_001)],
    ['as much as is allowed', randomBytes(MOST)],
  ])('is measured, hashed and read back: %s', async (_what, bytes) => {
    const key = randomUUID();
    const pieces = Readable.from(
      (function* () {
        for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
      })(),
    );
    expect(await storage.write(key, pieces, { maxBytes: MOST })).toEqual({ size: bytes.length, sha256: sha256(bytes) });
    expect(await filesLeft()).toEqual([key]);
    expect(Buffer.compare(await buffer(await storage.open(key)), bytes)).toBe(0);
  });

  it('may be text, in many small pieces', async () => {
    const lines = Array.from({ length: 20_000 }, (_, at) => `${at};ümlaut\n`);
    const bytes = Buffer.from(lines.join(''));
    const written = await storage.write(randomUUID(), Readable.from(lines), { maxBytes: MOST });
    expect(written).toEqual({ size: bytes.length, sha256: sha256(bytes) });
  });

  it('stands under its key alone, readable by nobody else', async () => {
    const key = randomUUID();
    await storage.write(key, Readable.from(['x']), { maxBytes: 1 });
    expect((await stat(pathOf(key))).mode & 0o777).toBe(0o600);
    for (const folder of [dirname(pathOf(key)), join(root, 'files')])
      expect((await stat(folder)).mode & 0o777).toBe(0o700);
    expect(await readFile(pathOf(key), 'utf8')).toBe('x');
  });

  it('is gone when it is removed, once or twice', async () => {
    const key = randomUUID();
    await storage.write(key, Readable.from(['x']), { maxBytes: 1 });
    await storage.remove(key);
    await storage.remove(key);
    expect(await filesLeft()).toEqual([]);
    await expect(storage.open(key)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('is not there before its last byte', async () => {
    const key = randomUUID();
    const source = stalled(randomBytes(200_000));
    const writing = storage.write(key, source, { maxBytes: MOST });
    await until(async () => (await filesLeft()).length === 1, 'the first bytes');
    await expect(storage.open(key)).rejects.toMatchObject({ code: 'ENOENT' });
    source.end();
    await writing;
    expect(await buffer(await storage.open(key))).toHaveLength(200_000);
  });
});

describe('nothing is left, no descriptor either, and the source is let go', () => {
  let before: number;
  beforeEach(async () => void (before = (await descriptors()).length));
  afterEach(async () => {
    expect(await filesLeft()).toEqual([]);
    await until(async () => (await descriptors()).length <= before, 'descriptors to be closed');
  });

  async function expectRefusal(source: Readable, fault: object, signal?: AbortSignal, key: string = randomUUID()) {
    await expect(storage.write(key, source, { maxBytes: MOST, signal })).rejects.toMatchObject(fault);
    expect(source.destroyed).toBe(true);
  }

  it('of one byte too many', () =>
    expectRefusal(Readable.from([randomBytes(MOST), Buffer.from('x')]), { code: 'FILE_TOO_LARGE', status: 413 }));

  it('of an endless source, which is not read to its end', async () => {
    let read = 0;
    const endless = new Readable({ read: (size) => void (endless.push(Buffer.alloc(size)), (read += size)) });
    await expectRefusal(endless, { code: 'FILE_TOO_LARGE' });
    expect(read).toBeLessThan(MOST + 1_000_000);
  });

  it('of a source that fails on the way', async () => {
    const source = stalled(randomBytes(100_000));
    const refusal = expectRefusal(source, { message: 'the line is dead' });
    await until(async () => (await filesLeft()).length === 1, 'the first bytes');
    source.destroy(new Error('the line is dead'));
    await refusal;
  });

  it('of a source that had failed before', async () => {
    const source = new PassThrough().on('error', () => undefined);
    source.destroy(new Error('dead on arrival'));
    await turn();
    await expectRefusal(source, { message: 'dead on arrival' });
  });

  it('of a source that ends without an end', async () => {
    const source = stalled(randomBytes(100_000));
    const refusal = expectRefusal(source, { code: 'ERR_STREAM_PREMATURE_CLOSE' });
    await until(async () => (await filesLeft()).length === 1, 'the first bytes');
    source.destroy();
    await refusal;
  });

  it('of what is aborted while the source says nothing', async () => {
    const abort = new AbortController();
    const source = stalled(randomBytes(100_000));
    const refusal = expectRefusal(source, { name: 'AbortError' }, abort.signal);
    await until(async () => (await filesLeft()).length === 1, 'the first bytes');
    abort.abort();
    await refusal;
  });

  it('of what was aborted before it began', () =>
    expectRefusal(stalled(randomBytes(10)), { name: 'AbortError' }, AbortSignal.abort()));

  it('of a disk that refuses', async () => {
    await writeFile(join(root, 'files'), 'a file where the folder should be');
    await expectRefusal(stalled(randomBytes(10)), { code: 'ENOTDIR' });
    await rm(join(root, 'files'));
  });

  it('of a folder that cannot be made at the last moment', async () => {
    const key = randomUUID();
    await mkdir(join(root, 'files'));
    await writeFile(join(root, 'files', key.slice(0, 2)), 'a file where the folder should be');
    await expectRefusal(Readable.from(['x']), { code: expect.stringMatching(/EEXIST|ENOTDIR/) }, undefined, key);
    await rm(join(root, 'files', key.slice(0, 2)));
  });

  // Only names that nothing outside has, and no more steps up than `ground` lies deep: a test that fails harms nobody.
  it.each([
    '', '.', '..', '../decoy', '../../decoy', '/decoy', `../${randomUUID()}`, `${randomUUID()}/x`, `${randomUUID()}\0`, `${randomUUID()}\n`,
    randomUUID().toUpperCase(), 'incoming', 'name.txt',
  ])('under the key %j, which is none of ours', async (key) => {
    const decoys = [ground, join(ground, 'a'), join(ground, 'a/b'), join(ground, 'a/b/c'), root].map((at) => join(at, 'decoy'));
    for (const decoy of decoys) await writeFile(decoy, 'not yours');
    await expectRefusal(Readable.from(['x']), { message: expect.stringContaining('is no key of a file') }, undefined, key);
    await expect(storage.open(key)).rejects.toThrow('is no key of a file');
    await expect(storage.remove(key)).rejects.toThrow('is no key of a file');
    for (const decoy of decoys) expect(await readFile(decoy, 'utf8')).toBe('not yours');
    for (const decoy of decoys) await rm(decoy);
  }); // prettier-ignore
});

it('a link is neither followed nor written through', async () => {
  const key = randomUUID();
  const secret = join(root, 'secret');
  await writeFile(secret, 'not yours');
  await mkdir(dirname(pathOf(key)), { recursive: true });
  await mkdir(join(root, 'files', 'incoming'));
  await symlink(secret, pathOf(key));
  await expect(storage.open(key)).rejects.toMatchObject({ code: 'ELOOP' });
  await symlink(secret, join(root, 'files', 'incoming', key));
  await expect(storage.write(key, Readable.from(['x']), { maxBytes: 1 })).rejects.toMatchObject({ code: 'EEXIST' });
  expect(await readFile(secret, 'utf8')).toBe('not yours');
});
