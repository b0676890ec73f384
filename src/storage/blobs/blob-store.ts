// Writes and reads file content: inspects it, and encrypts it if keys are configured.
import { pipeline, type Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { type ByteRange, FileStorage, type LinkOptions, NoSuchBytes } from '../file-storage.js';
import { type Inspection, Inspector, type Rules } from './inspector.js';
import { Keyring } from './keyring.js';
import { Opener, IntegrityError, sealedPart, Sealer, sealedSize } from './sealed-bytes.js';
import { StorageErrors } from '../storage.errors.js';

/** The data needed to find and decrypt the bytes. */
export interface BlobAddress {
  storageKey: string;
  /** Id of the encryption key; null: not encrypted. */
  keyId: string | null;
  /** Size of the plain bytes. */
  size: number;
}

@Injectable()
export class BlobStore {
  constructor(
    private readonly storage: FileStorage,
    private readonly keyring: Keyring,
  ) {}

  /** Durable once it resolves. On failure nothing is stored and `source` is destroyed. Throws errors of `rules`, STORAGE_FULL. */
  async write(
    storageKey: string,
    source: Readable,
    rules: Rules,
    signal?: AbortSignal,
  ): Promise<Inspection & { keyId: string | null }> {
    const inspector = new Inspector(rules);
    const keyId = this.keyring.current;
    // The end of the pipeline receives all errors: the storage reads it and throws them.
    const body: Readable =
      keyId === null
        ? pipeline(source, inspector, () => undefined)
        : pipeline(source, inspector, new Sealer(this.keyring.keyOf(keyId, storageKey)), () => undefined);
    await this.storage.write(storageKey, body, signal).catch((error: NodeJS.ErrnoException) => {
      throw error.code === 'ENOSPC' || error.code === 'EDQUOT' ? StorageErrors.STORAGE_FULL() : error;
    });
    return { ...inspector.result(), keyId };
  }

  /** The caller must read the stream to its end or destroy it. `range` lies within the size. Rejects with NoSuchBytes. */
  async open({ storageKey, keyId, size }: BlobAddress, range?: ByteRange): Promise<Readable> {
    if (keyId === null) return this.storage.open(storageKey, range);
    const part = sealedPart(size, range);
    const key = this.keyring.keyOf(keyId, storageKey);
    return pipeline(await this.storage.open(storageKey, part.range), new Opener(key, part), () => undefined);
  }

  /** True when the storage has the expected number of bytes. */
  async isWhole({ storageKey, keyId, size }: BlobAddress): Promise<boolean> {
    return (await this.storage.sizeOf(storageKey)) === (keyId === null ? size : sealedSize(size));
  }

  /** Returns a URL that gives everyone who has it access to the bytes; null when the storage has no such links. */
  async linkTo({ storageKey, keyId }: BlobAddress, options: LinkOptions): Promise<string | null> {
    return keyId === null ? this.storage.linkTo(storageKey, options) : null;
  }
}

/** True when reading failed because of the bytes, not because the storage is unreachable. */
export function isDamage(error: unknown): error is Error {
  return (
    error instanceof NoSuchBytes || error instanceof IntegrityError || (error as NodeJS.ErrnoException).code === 'EIO'
  );
}
