// The thumbnails table, and the mark of blobs that can have no thumbnails.
import { Injectable } from '@nestjs/common';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { BlobAddress } from '../../storage/blobs/blob-store.js';
import type { ThumbnailSize } from './thumbnail-sizes.js';

const statement = sqlFiles(import.meta.url, 'thumbnails');

const FIRST_UUID = '00000000-0000-0000-0000-000000000000';

export interface Thumbnail extends BlobAddress {
  /** Requested length of the longest side, pixels; the picture may be smaller. */
  side: ThumbnailSize;
  sha256: string;
  /** Pixels. */
  width: number;
  height: number;
}

interface Row {
  size: ThumbnailSize;
  storage_key: string;
  key_id: string | null;
  sha256: string;
  bytes: string;
  width: number;
  height: number;
}

@Injectable()
export class ThumbnailsRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Lists the thumbnails of a blob, the smallest first; empty until they are made. */
  async list(blobId: string): Promise<Thumbnail[]> {
    const rows = await this.transaction.read<Row>({
      name: 'thumbnails-list',
      text: `
        SELECT size, storage_key, key_id, sha256, bytes, width, height FROM thumbnails WHERE blob_id = $1 ORDER BY size`,
      values: [blobId],
    });
    return rows.map((row) => ({
      ...{ side: row.size, storageKey: row.storage_key, keyId: row.key_id, sha256: row.sha256 },
      ...{ size: Number(row.bytes), width: row.width, height: row.height },
    }));
  }

  /** Yields the thumbnails of all blobs in batches of `limit`. */
  async *inBatches(limit: number): AsyncGenerator<Array<BlobAddress & { sha256: string }>> {
    for (let after = FIRST_UUID; ;) {
      const rows = await this.transaction.query<Pick<Row, 'storage_key' | 'key_id' | 'sha256' | 'bytes'>>({
        name: 'thumbnails-after',
        text: `
          SELECT storage_key, key_id, sha256, bytes FROM thumbnails WHERE storage_key > $1 ORDER BY storage_key LIMIT $2`,
        values: [after, limit],
      });
      const last = rows.at(-1);
      if (!last) return;
      after = last.storage_key;
      yield rows.map((row) => ({
        ...{ storageKey: row.storage_key, keyId: row.key_id, sha256: row.sha256, size: Number(row.bytes) },
      }));
    }
  }

  /** Drops thumbnails and removes their bytes; they are made again on request. Returns the number of dropped rows. */
  async drop(storageKeys: readonly string[]): Promise<number> {
    if (storageKeys.length === 0) return 0;
    return (await this.transaction.query(statement('drop', [storageKeys]))).length;
  }

  /** Returns the storage keys of the added ones. The others exist already, or the blob does not. */
  async add(blobId: string, thumbnails: readonly Thumbnail[]): Promise<Set<string>> {
    const column = <K extends keyof Thumbnail>(key: K): Array<Thumbnail[K]> => thumbnails.map((one) => one[key]);
    const rows = await this.transaction.query<{ storage_key: string }>(
      statement('add', [
        ...[blobId, column('side'), column('storageKey'), column('keyId')],
        ...[column('sha256'), column('size'), column('width'), column('height')],
      ]),
    );
    return new Set(rows.map((row) => row.storage_key));
  }

  /** True when the bytes were decoded before and were no image, or an image that is refused. */
  async isRefused(blobId: string): Promise<boolean> {
    const [row] = await this.transaction.read<{ thumbnails_refused: boolean }>({
      name: 'thumbnails-is-refused',
      text: 'SELECT thumbnails_refused FROM blobs WHERE id = $1',
      values: [blobId],
    });
    return row?.thumbnails_refused ?? false;
  }

  /** Marks the blob, so that requests for thumbnails do not start the decoder again. */
  async refuse(blobId: string): Promise<void> {
    await this.transaction.query({
      name: 'thumbnails-refuse',
      text: 'UPDATE blobs SET thumbnails_refused = true WHERE id = $1',
      values: [blobId],
    });
  }
}
