// Bytes of files on their way to the storage and back: inspected, and encrypted where there are keys.
import { pipeline, type Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { type ByteRange, FileStorage, type LinkOptions, NoSuchBytes } from '../file-storage.js';
import { type Inspection, Inspector, type Rules } from './inspector.js';
import { Keyring } from './keyring.js';
import { Opener, SealBroken, sealedPart, Sealer, sealedSize } from './sealed-bytes.js';
import { StorageErrors } from '../storage.errors.js';

/** What finds and opens the bytes. */
export interface BlobAddress {
  storageKey: string;
  /** Of the key that they are encrypted with; null: in clear. */
  keyId: string | null;
  /** Bytes, in clear. */
  size: number;
}

@Injectable()
export class BlobStore {
  constructor(
    private readonly storage: FileStorage,
    private readonly keyring: Keyring,
  ) {}

  /** Durable once it resolves. When it throws, nothing is left and `source` is destroyed. Throws what `rules` refuse, and STORAGE_FULL. */
  async write(
    storageKey: string,
    source: Readable,
    rules: Rules,
    signal?: AbortSignal,
  ): Promise<Inspection & { keyId: string | null }> {
    const inspector = new Inspector(rules);
    const keyId = this.keyring.current;
    // Errors reach whoever reads the end: the storage, which throws them.
    const body: Readable =
      keyId === null
        ? pipeline(source, inspector, () => undefined)
        : pipeline(source, inspector, new Sealer(this.keyring.keyOf(keyId, storageKey)), () => undefined);
    await this.storage.write(storageKey, body, signal).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOSPC' || error.code === 'EDQUOT' ? StorageErrors.STORAGE_FULL() : error;
    });
    return { ...inspector.result(), keyId };
  }

  /** Whoever opens it reads it to its end or destroys it. `range` lies within the size. Rejects with NoSuchBytes. */
  async open({ storageKey, keyId, size }: BlobAddress, range?: ByteRange): Promise<Readable> {
    if (keyId === null) return this.storage.open(storageKey, range);
    const part = sealedPart(size, range);
    const key = this.keyring.keyOf(keyId, storageKey);
    return pipeline(await this.storage.open(storageKey, part.range), new Opener(key, part), () => undefined);
  }

  /** Whether as many bytes stand there as should. */
  async isWhole({ storageKey, keyId, size }: BlobAddress): Promise<boolean> {
    return (await this.storage.sizeOf(storageKey)) === (keyId === null ? size : sealedSize(size));
  }

  /** A URL that gives the bytes to whoever has it; null where there is no such thing. */
  async linkTo({ storageKey, keyId }: BlobAddress, options: LinkOptions): Promise<string | null> {
    return keyId === null ? this.storage.linkTo(storageKey, options) : null;
  }
}

/** Whether reading has failed for the bytes' sake, and not because the storage is away. */
export function isDamage(error: unknown): error is Error {
  return error instanceof NoSuchBytes || error instanceof SealBroken || (error as NodeJS.ErrnoException).code === 'EIO';
}
