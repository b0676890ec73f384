// The file storages of the suites: each starts empty, and can be inspected from admin.
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { ListMultipartUploadsCommand, ListObjectsCommand, S3Client } from '@aws-sdk/client-s3';
import type { FileStorage } from '../../../src/storage/file-storage.js';
import { LocalStorage } from '../../../src/storage/drivers/local.storage.js';
import { S3Storage } from '../../../src/storage/drivers/s3.storage.js';
import type { S3Config } from '../../../src/storage/storage.settings.js';
import { below, seeded } from '../fuzz/random.js';
import { type MissingFeature, S3_KINDS } from '../engines/s3-servers.js';

/** Maximum size of a file in bytes. */
export const MAX_BYTES = 5 * 2 ** 30;

export interface StorageInstance {
  readonly storage: FileStorage;
  /** Number of connections that it may keep open for later requests. */
  readonly keeps: number;
  /** Returns the names of all stored files including unfinished ones, read without the storage. */
  left(): Promise<string[]>;
  close(): Promise<void>;
}

export interface StorageKind {
  name: string;
  available: boolean;
  missing: readonly MissingFeature[];
  /** Starts the service; `open` creates separate storages until `stop`. */
  start: () => Promise<{ open(): Promise<StorageInstance>; stop(): Promise<void> }>;
}

export const STORAGE_KINDS: readonly StorageKind[] = [
  {
    ...{ name: 'a folder', available: true, missing: [] },
    start: async () => ({ open: () => LocalStorageInstance.open(), stop: async () => undefined }),
  },
  ...S3_KINDS.map(({ name, start, ...kind }) => ({
    ...{ ...kind, name: `S3, ${name}` },
    start: async () => {
      const place = await start();
      return { open: async () => new S3StorageInstance(place.config), stop: () => place.stop() };
    },
  })),
];

export class LocalStorageInstance implements StorageInstance {
  readonly storage: LocalStorage;
  readonly keeps = 0;

  /** `ground` is a temporary folder: a hostile key can only write below it, even if the storage fails to refuse the key. */
  private constructor(
    readonly ground: string,
    readonly root: string,
  ) {
    this.storage = new LocalStorage(join(root, 'files'));
  }

  static async open(): Promise<LocalStorageInstance> {
    const ground = await mkdtemp(join(tmpdir(), 'holdfast-files-'));
    const root = join(ground, 'a/b/c/d');
    await mkdir(root, { recursive: true });
    return new LocalStorageInstance(ground, root);
  }

  async left(): Promise<string[]> {
    const entries = await readdir(this.ground, { recursive: true, withFileTypes: true });
    return entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  }

  close(): Promise<void> {
    return rm(this.ground, { recursive: true, force: true });
  }
}

export class S3StorageInstance implements StorageInstance {
  readonly storage: S3Storage;
  readonly keeps = 4;
  readonly config: S3Config;
  /** Accesses the bucket without the storage. */
  readonly client: S3Client;

  constructor(place: S3Config) {
    this.config = { ...place, prefix: `test-${randomUUID()}` };
    this.storage = new S3Storage(this.config, MAX_BYTES);
    const { endpoint, region, credentials, pathStyle } = place;
    this.client = new S3Client({
      ...{ endpoint, region, forcePathStyle: pathStyle },
      credentials: credentials && { ...credentials },
    });
  }

  async left(): Promise<string[]> {
    const place = { Bucket: this.config.bucket, Prefix: `${this.config.prefix}/` };
    const { Contents = [] } = await this.client.send(new ListObjectsCommand(place));
    const uploads = await this.client.send(new ListMultipartUploadsCommand(place)).catch((error: Error) => {
      if (error.name === 'NotImplemented') return null;
      throw error;
    });
    return [...Contents, ...(uploads?.Uploads ?? [])].map(({ Key = '' }) => Key.slice(Key.lastIndexOf('/') + 1));
  }

  async close(): Promise<void> {
    for await (const { key } of this.storage.list()) await this.storage.remove(key); // the S3 of a user may be shared
    this.storage.onApplicationShutdown();
    this.client.destroy();
  }
}

/** Returns a stream of chunks of random sizes up to 100 KB. */
export function inRandomChunks(bytes: Buffer): Readable {
  const random = seeded(bytes.length);
  const chunks = function* (): Generator<Buffer> {
    for (let rest = bytes; rest.length > 0;) {
      const chunk = rest.subarray(0, 1 + below(random, 100_000));
      rest = rest.subarray(chunk.length);
      yield chunk;
    }
  };
  return Readable.from(chunks(), { objectMode: false });
}

/** Returns the number of open files and connections of this process. */
export async function descriptors(): Promise<number> {
  return (await readdir('/proc/self/fd').catch(() => [])).length;
}
