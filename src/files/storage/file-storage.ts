// Where the bytes of files are: the contract of every storage.
import type { Readable } from 'node:stream';

export interface WriteOptions {
  maxBytes: number;
  signal?: AbortSignal | undefined;
}

export interface WrittenBytes {
  size: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Keys are UUIDs that we made, each written once: never a name that somebody gave. The class is its own injection token. */
export abstract class FileStorage {
  /**
   * Takes all bytes of `source`, a few at a time; durable once it resolves. Throws FILE_TOO_LARGE beyond `maxBytes`. When
   * it throws, nothing is left behind and `source` is destroyed.
   */
  abstract write(key: string, source: Readable, options: WriteOptions): Promise<WrittenBytes>;

  /** Whoever opens it reads it to its end or destroys it. Rejects when there are no such bytes. */
  abstract open(key: string): Promise<Readable>;

  /** Idempotent. */
  abstract remove(key: string): Promise<void>;
}
