// The local file storage: writes to a temporary file, makes it durable, then publishes it with one rename.
import { access, constants, mkdir, open, opendir, rename, rm, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type ByteRange, expectKey, FileStorage, keyIn, NoSuchBytes, type StoredObject } from '../file-storage.js';
import { LocalReads, READ_BYTES } from './local-reads.js';

/** Opens without following links, and creates only files that do not exist yet. */
const NEW_FILE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const OLD_FILE = constants.O_RDONLY | constants.O_NOFOLLOW;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

export class LocalStorage extends FileStorage {
  readonly kind = 'local';
  private readonly reads = new LocalReads();

  constructor(private readonly root: string) {
    super();
  }

  async expectWorking(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: FOLDER_MODE });
    await access(this.root, constants.R_OK | constants.W_OK);
    const { bavail } = await statfs(this.root);
    if (bavail === 0) throw new Error('There is no space left.');
  }

  async write(key: string, source: Readable, signal?: AbortSignal): Promise<void> {
    try {
      const [aside, target] = this.pathsOf(key);
      await mkdir(dirname(aside), { recursive: true, mode: FOLDER_MODE });
      await receive(aside, target, source, signal);
    } catch (error) {
      source.destroy();
      throw error;
    }
  }

  async open(key: string, range?: ByteRange): Promise<Readable> {
    const [, path] = this.pathsOf(key);
    const handle = await open(path, OLD_FILE).catch((error: unknown) => {
      throw isAbsent(error) ? new NoSuchBytes(key, { cause: error }) : error;
    });
    return this.reads.stream(handle, range);
  }

  async sizeOf(key: string): Promise<number | null> {
    const [, path] = this.pathsOf(key);
    return (await statOrNull(path))?.size ?? null;
  }

  async remove(key: string): Promise<void> {
    for (const path of this.pathsOf(key)) await rm(path, { force: true });
  }

  async *list(): AsyncIterable<StoredObject> {
    for await (const path of filesBelow(this.root)) {
      const key = keyIn(path.slice(path.lastIndexOf('/') + 1));
      const found = key === null ? null : await statOrNull(path);
      if (key !== null && found) yield { key, size: found.size, modifiedAt: found.mtime };
    }
  }

  linkTo(): Promise<null> {
    return Promise.resolve(null);
  }

  /** Returns the temporary and the final path; both are on the same file system, so that the rename is atomic. */
  private pathsOf(key: string): [aside: string, target: string] {
    expectKey(key);
    return [join(this.root, 'incoming', key), join(this.root, key.slice(0, 2), key.slice(2, 4), key)];
  }
}

async function receive(aside: string, target: string, source: Readable, signal?: AbortSignal): Promise<void> {
  const handle = await open(aside, NEW_FILE, FILE_MODE);
  const sink = handle.createWriteStream({ autoClose: false, highWaterMark: READ_BYTES });
  try {
    try {
      await pipeline(source, sink, { signal });
      await handle.sync();
    } finally {
      sink.destroy(); // it holds the handle, whose close waits for it
      await handle.close();
    }
    await show(aside, target);
  } catch (error) {
    await Promise.all([aside, target].map((path) => rm(path, { force: true })));
    throw error;
  }
}

/** Renames the file into place. A new name is durable only after a sync of its folder, and of the folders above. */
async function show(aside: string, target: string): Promise<void> {
  const folder = dirname(target);
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  await rename(aside, target);
  for (const path of [folder, dirname(folder), dirname(dirname(folder))]) await syncFolder(path);
}

async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // does not support syncing a folder
  const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  await handle.sync().finally(() => handle.close());
}

/** Yields one path after the other, for any number of entries. Entries that disappear in the meantime are skipped. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await opendir(folder).catch((error: unknown) => {
    if (isAbsent(error)) return [];
    throw error;
  });
  for await (const entry of entries) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

async function statOrNull(path: string): Promise<{ size: number; mtime: Date } | null> {
  return stat(path).catch((error: unknown) => {
    if (isAbsent(error)) return null;
    throw error;
  });
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ENOENT';
}
