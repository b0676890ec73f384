// Stores pictures as the thumbnails of a blob: writes the bytes, adds all rows at once, then removes unused bytes.
import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { BlobStore } from '../../storage/blobs/blob-store.js';
import { StorageLeases } from '../../storage/blobs/storage-leases.js';
import { FileErrors } from '../files.errors.js';
import { THUMBNAIL_SIZES, type ThumbnailSize } from './thumbnail-sizes.js';
import { type Thumbnail, ThumbnailsRepository } from './thumbnails.repository.js';
import type { Picture } from './webp.js';

const MEDIA_TYPE = 'image/webp';

@Injectable()
export class ThumbnailStore {
  constructor(
    private readonly thumbnails: ThumbnailsRepository,
    private readonly bytes: BlobStore,
    private readonly leases: StorageLeases,
  ) {}

  /**
   * Stores one picture for each of THUMBNAIL_SIZES. `work` calls `add` in its own transaction. Removes bytes that are not
   * needed: another process may have added the same thumbnails, or the blob is gone. Throws WRITE_LOST.
   */
  async keepWith<T>(
    blobId: string,
    pictures: readonly Picture[],
    signal: AbortSignal,
    work: (add: () => Promise<void>) => Promise<T>,
  ): Promise<T> {
    const written: Thumbnail[] = [];
    const add = async (): Promise<void> => {
      for (const key of await this.thumbnails.add(blobId, written)) await this.leases.claim(key);
    };
    try {
      for (const [index, side] of THUMBNAIL_SIZES.entries())
        written.push(await this.write(side, pictures[index] as Picture, signal));
      return await work(add);
    } finally {
      for (const { storageKey } of written) await this.leases.discard(storageKey);
    }
  }

  private async write(side: ThumbnailSize, picture: Picture, signal: AbortSignal): Promise<Thumbnail> {
    const { width, height, bytes } = picture;
    const { storageKey, signal: lost } = await this.leases.beginUncharged();
    const rules = {
      declaredType: MEDIA_TYPE,
      maxBytes: bytes.length,
      tooLarge: () => FileErrors.TOO_LARGE(bytes.length),
    };
    try {
      const stop = AbortSignal.any([signal, lost]);
      const { size, sha256, keyId } = await this.bytes.write(storageKey, Readable.from(bytes), rules, stop);
      return { side, storageKey, keyId, size, sha256, width, height };
    } catch (error) {
      await this.leases.discard(storageKey);
      throw lost.aborted ? lost.reason : error;
    }
  }
}
