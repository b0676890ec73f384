// Files in a folder of this machine: written aside, made durable, then shown by one rename.
import { constants, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { FileStorage, type WriteOptions, type WrittenBytes } from './file-storage.js';
import { Meter } from './meter.js';

/** Ours alone; no link is followed and no file that is there is taken for a new one. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const OLD_FILE = constants.O_RDONLY | constants.O_NOFOLLOW;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

const KEY = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export class LocalStorage extends FileStorage {
  constructor(private readonly root: string) {
    super();
  }

  async write(key: string, source: Readable, options: WriteOptions): Promise<WrittenBytes> {
    try {
      const target = this.pathOf(key);
      const aside = join(this.root, 'incoming', key); // the same file system, so that the rename is one step
      await mkdir(dirname(aside), { recursive: true, mode: FOLDER_MODE });
      return await receive(aside, target, source, options);
    } catch (error) {
      source.destroy();
      throw error;
    }
  }

  async open(key: string): Promise<Readable> {
    return (await open(this.pathOf(key), OLD_FILE)).createReadStream();
  }

  async remove(key: string): Promise<void> {
    await rm(this.pathOf(key), { force: true });
  }

  /** Throws when the key is not a UUID: nothing else may become part of a path. */
  private pathOf(key: string): string {
    if (!KEY.test(key)) throw new Error(`${JSON.stringify(key)} is no key of a file: it must be a UUID that we made.`);
    return join(this.root, key.slice(0, 2), key.slice(2, 4), key);
  }
}

async function receive(
  aside: string,
  target: string,
  source: Readable,
  { maxBytes, signal }: WriteOptions,
): Promise<WrittenBytes> {
  const meter = new Meter(maxBytes);
  const handle = await open(aside, NEW_FILE, FILE_MODE);
  const sink = handle.createWriteStream({ autoClose: false });
  try {
    try {
      await pipeline(source, meter, sink, { signal });
      await handle.sync();
    } finally {
      sink.destroy(); // it holds the handle, which waits for it
      await handle.close();
    }
    await show(aside, target);
  } catch (error) {
    await Promise.all([aside, target].map((path) => rm(path, { force: true })));
    throw error;
  }
  return meter.result();
}

/** A new name is durable only with the folder it stands in, and that one's with its own. */
async function show(aside: string, target: string): Promise<void> {
  const folder = dirname(target);
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  await rename(aside, target);
  for (const path of [folder, dirname(folder), dirname(dirname(folder))]) await syncFolder(path);
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // has no such thing
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync().finally(() => handle.close());
}
