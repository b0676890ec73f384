// Where the bytes of files are: the contract of every storage.
import type { Readable } from 'node:stream';

/** Of bytes, both ends included, as in HTTP. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface StoredObject {
  key: string;
  /** Bytes. */
  size: number;
  modifiedAt: Date;
}

export interface LinkOptions {
  /** Whoever follows the link is answered with these. */
  contentType: string;
  disposition: string;
  expiresInSeconds: number;
}

/** Rejects `open`: there are no such bytes. */
export class NoSuchBytes extends Error {
  constructor(key: string, options?: ErrorOptions) {
    super(`The storage has no ${key}.`, options);
    this.name = 'NoSuchBytes';
  }
}

const KEY = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Keys are UUIDs that we made, each written once: never a name that somebody gave. The class is its own injection token. */
export abstract class FileStorage {
  abstract readonly kind: 'local' | 's3';

  /** Rejects when nothing can be written or read at the moment. */
  abstract expectWorking(): Promise<void>;

  /**
   * Takes all bytes of `source`, a few at a time; durable, and to be seen at all, once it resolves. When it throws,
   * nothing is left behind and `source` is destroyed.
   */
  abstract write(key: string, source: Readable, signal?: AbortSignal): Promise<void>;

  /** Whoever opens it reads it to its end or destroys it. Rejects with NoSuchBytes. */
  abstract open(key: string, range?: ByteRange): Promise<Readable>;

  /** Bytes; null when there are none. */
  abstract sizeOf(key: string): Promise<number | null>;

  /** Also of what a writer that died has left. Idempotent. */
  abstract remove(key: string): Promise<void>;

  /** All there is, also what writers that died have left; in no order, and a key may come twice. */
  abstract list(): AsyncIterable<StoredObject>;

  /** A URL that gives the bytes to whoever has it; null where there is no such thing. */
  abstract linkTo(key: string, options: LinkOptions): Promise<string | null>;
}

/** Throws when the key is not a UUID: nothing else may become part of a path. */
export function expectKey(key: string): void {
  if (!KEY.test(key)) throw new Error(`${JSON.stringify(key)} is no key of a file: it must be a UUID that we made.`);
}

/** Null for what is none of our keys. */
export function keyIn(name: string): string | null {
  return KEY.test(name) ? name : null;
}
