// The contract of every file storage.
import type { Readable } from 'node:stream';

/** A range of bytes, both ends included, as in HTTP. */
export interface ByteRange {
  start: number;
  end: number;
}

export interface StoredObject {
  key: string;
  /** Size in bytes. */
  size: number;
  modifiedAt: Date;
}

export interface LinkOptions {
  /** The response to the link has these headers. */
  contentType: string;
  disposition: string;
  expiresInSeconds: number;
}

/** `open` rejects with it when the bytes do not exist. */
export class NoSuchBytes extends Error {
  constructor(key: string, options?: ErrorOptions) {
    super(`The storage has no ${key}.`, options);
    this.name = 'NoSuchBytes';
  }
}

const KEY = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Keys are UUIDs of our own, each written once, never names from users. The class is its own injection token. */
export abstract class FileStorage {
  abstract readonly kind: 'local' | 's3';

  /** Rejects when the storage cannot read or write at the moment. */
  abstract expectWorking(): Promise<void>;

  /**
   * Reads all bytes of `source`, a few at a time. They are durable, and visible at all, once it resolves. When it throws,
   * nothing is stored and `source` is destroyed.
   */
  abstract write(key: string, source: Readable, signal?: AbortSignal): Promise<void>;

  /** The caller must read the stream to its end or destroy it. Rejects with NoSuchBytes. */
  abstract open(key: string, range?: ByteRange): Promise<Readable>;

  /** Returns the number of bytes; null when they do not exist. */
  abstract sizeOf(key: string): Promise<number | null>;

  /** Also removes what a dead writer has left. Idempotent. */
  abstract remove(key: string): Promise<void>;

  /** Yields everything, also what dead writers have left, in any order; a key may come twice. */
  abstract list(): AsyncIterable<StoredObject>;

  /** Returns a URL that gives everyone who has it access to the bytes; null when the storage has no such links. */
  abstract linkTo(key: string, options: LinkOptions): Promise<string | null>;
}

/** Throws when the key is not a UUID: no other text may become part of a path. */
export function expectKey(key: string): void {
  if (!KEY.test(key))
    throw new Error(`${JSON.stringify(key)} is not a storage key: it must be a UUID created by the application.`);
}

/** Returns null when the name is not one of our keys. */
export function keyIn(name: string): string | null {
  return KEY.test(name) ? name : null;
}
