// Replaces the bytes of a blob by others with the same content: repaired ones, or ones encrypted with another key.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import { type BlobAddress, BlobStore } from './blob-store.js';
import { BlobsRepository, type KnownBlob, OLD_BYTES_MS } from './blobs.repository.js';
import { UNKNOWN_TYPE } from '../media-types/media-type.js';
import { StorageLeases } from './storage-leases.js';

@Injectable()
export class BlobMover {
  constructor(
    private readonly bytes: BlobStore,
    private readonly blobs: BlobsRepository,
    private readonly leases: StorageLeases,
    private readonly transaction: Transaction,
  ) {}

  /**
   * Writes the bytes at `source` again, with the current key, and replaces those of the blob. Returns false, and changes
   * nothing, when their content does not match the blob, or the blob has changed in the meantime.
   */
  async move(blob: KnownBlob, source: BlobAddress, signal: AbortSignal): Promise<boolean> {
    const { storageKey, signal: lost } = await this.leases.beginUncharged();
    const rules = {
      maxBytes: blob.size,
      tooLarge: () => new Error('There are more bytes than the blob has.'),
      declaredType: UNKNOWN_TYPE,
    };
    try {
      const stop = AbortSignal.any([signal, lost]);
      const { sha256, keyId } = await this.bytes.write(storageKey, await this.bytes.open(source), rules, stop);
      return sha256 === blob.sha256 && (await this.transaction.run(() => this.replace(blob, { storageKey, keyId })));
    } finally {
      await this.leases.discard(storageKey);
    }
  }

  private async replace(blob: KnownBlob, by: Pick<BlobAddress, 'storageKey' | 'keyId'>): Promise<boolean> {
    if (!(await this.blobs.replaceBytes(blob, by))) return false;
    await this.leases.claim(by.storageKey);
    await this.leases.mark([blob.storageKey], 'DELETE', OLD_BYTES_MS);
    return true;
  }
}
