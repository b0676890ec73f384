// The table of blobs. Each transaction that adds or removes a reference to a blob also updates its reference count.
import { Injectable } from '@nestjs/common';
import { StorageSettings } from '../storage.settings.js';
import { SnowflakeIds } from '../../shared/database/snowflake-ids.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { BlobAddress } from './blob-store.js';
import { StorageLeases } from './storage-leases.js';
import type { Owner } from '../../common/access/permissions.js';

const statement = sqlFiles(import.meta.url, 'blobs');

/** How long replaced bytes stay readable for a reader that is about to open them, ms. */
export const OLD_BYTES_MS = 60_000;

/** The scope of blobs that files of all users may share. */
const ALL_USERS = '0';

export interface WrittenBytes {
  storageKey: string;
  keyId: string | null;
  size: number;
  sha256: string;
}

export interface Settled {
  blobId: string;
  /** The same content exists already: these bytes are not needed, and are removed after the commit. */
  isDuplicate: boolean;
  /** Bytes that were reserved for it before. */
  reservedBytes: number;
}

/** A blob and its state. */
export interface KnownBlob extends BlobAddress {
  id: string;
  sha256: string;
  isDamaged: boolean;
}

@Injectable()
export class BlobsRepository {
  constructor(
    private readonly transaction: Transaction,
    private readonly ids: SnowflakeIds,
    private readonly leases: StorageLeases,
    private readonly settings: StorageSettings,
  ) {}

  /** Turns written bytes into a blob. Runs in the transaction that adds the file and charges the quota. Throws WRITE_LOST. */
  async settle(owner: Owner, bytes: WrittenBytes): Promise<Settled> {
    const { reservedBytes } = await this.leases.claim(bytes.storageKey);
    const scope = this.scopeOf(owner);
    for (;;) {
      const settled = (await this.insert(scope, bytes)) ?? (await this.addReference(scope, bytes));
      if (settled) return { ...settled, reservedBytes }; // else the last reference was removed in between; try again
    }
  }

  /** Returns the blob that new bytes with this content would be merged with, or null. */
  findSame(owner: Owner, sha256: string): Promise<KnownBlob | null> {
    return this.one('find-same', 'scope = $1 AND sha256 = $2', [this.scopeOf(owner), sha256]);
  }

  find(blobId: string): Promise<KnownBlob | null> {
    return this.one('find', 'id = $1', [blobId]);
  }

  /** Returns another blob with the same content that is not known to be damaged, or null. */
  findDuplicate({ id, sha256 }: KnownBlob): Promise<KnownBlob | null> {
    return this.one('find-twin', 'sha256 = $1 AND id <> $2 AND damaged_at IS NULL LIMIT 1', [sha256, id]);
  }

  /** Returns blobs in the order of their ids. */
  listAfter(id: string, limit: number): Promise<KnownBlob[]> {
    return this.many('list-after', 'id > $1 ORDER BY id LIMIT $2', [id, limit]);
  }

  /** Returns blobs not verified since that time; the longest unverified first. */
  listUnverified(since: Date, limit: number): Promise<KnownBlob[]> {
    const text = '(verified_at IS NULL OR verified_at < $1) ORDER BY verified_at NULLS FIRST, id LIMIT $2';
    return this.many('list-unverified', text, [since, limit]);
  }

  /** Returns undamaged blobs that are encrypted with another key than `keyId`, or not encrypted. */
  listOtherKey(keyId: string, afterId: string, limit: number): Promise<KnownBlob[]> {
    const text = 'key_id IS DISTINCT FROM $1 AND id > $2 AND damaged_at IS NULL ORDER BY id LIMIT $3';
    return this.many('list-other-key', text, [keyId, afterId, limit]);
  }

  /** True when a blob or thumbnail has these bytes. */
  async isNeeded(storageKey: string): Promise<boolean> {
    const [row] = await this.transaction.query<{ is_needed: boolean }>({
      name: 'blobs-is-needed',
      text: `
        SELECT EXISTS (SELECT FROM blobs WHERE storage_key = $1)
          OR EXISTS (SELECT FROM thumbnails WHERE storage_key = $1) AS is_needed`,
      values: [storageKey],
    });
    return row?.is_needed === true;
  }

  /** Stores the result of reading the bytes. Changes nothing when the blob has other bytes by now. */
  async noteVerified({ id, storageKey }: KnownBlob, isSound: boolean): Promise<void> {
    await this.transaction.query({
      name: 'blobs-note-verified',
      text: `
        UPDATE blobs SET verified_at = now(), damaged_at = CASE WHEN $3 THEN NULL ELSE coalesce(damaged_at, now()) END,
          thumbnails_refused = thumbnails_refused AND damaged_at IS NULL
        WHERE id = $1 AND storage_key = $2`,
      values: [id, storageKey, isSound],
    });
  }

  /** Marks the blob with these bytes as damaged, if there is one. */
  async noteDamaged(storageKey: string): Promise<void> {
    await this.transaction.query({
      name: 'blobs-note-damaged',
      text: 'UPDATE blobs SET damaged_at = now() WHERE storage_key = $1 AND damaged_at IS NULL',
      values: [storageKey],
    });
  }

  /** Returns false when the blob has other bytes by now, or no longer exists. */
  async replaceBytes(blob: KnownBlob, by: Pick<BlobAddress, 'storageKey' | 'keyId'>): Promise<boolean> {
    const rows = await this.transaction.query({
      name: 'blobs-replace-bytes',
      text: `
        UPDATE blobs SET storage_key = $3, key_id = $4, damaged_at = NULL, verified_at = now(),
          thumbnails_refused = thumbnails_refused AND damaged_at IS NULL
        WHERE id = $1 AND storage_key = $2 RETURNING 1`,
      values: [blob.id, blob.storageKey, by.storageKey, by.keyId],
    });
    return rows.length > 0;
  }

  /** Corrects the reference count, inside a transaction. A blob without references is deleted. */
  async recount(blobId: string): Promise<void> {
    await this.transaction.query({
      name: 'blobs-lock',
      text: 'SELECT 1 FROM blobs WHERE id = $1 FOR UPDATE',
      values: [blobId],
    }); // other changes of references run before this, or after the commit
    const rows = await this.transaction.query<{ reference_count: number }>({
      name: 'blobs-recount',
      text: `
        UPDATE blobs SET reference_count = (SELECT count(*) FROM files WHERE blob_id = $1)
        WHERE id = $1 RETURNING reference_count`,
      values: [blobId],
    });
    if (rows[0]?.reference_count === 0) await this.delete(blobId);
  }

  /**
   * Removes one reference, in the transaction of the row that had it. Returns true for the last one: then the blob and its
   * thumbnails are deleted, and their bytes are removed after the commit.
   */
  async dropReference(blobId: string): Promise<boolean> {
    const [left] = await this.transaction.query<{ reference_count: number }>({
      name: 'blobs-drop-reference',
      text: 'UPDATE blobs SET reference_count = reference_count - 1 WHERE id = $1 RETURNING reference_count',
      values: [blobId],
    });
    if (left?.reference_count !== 0) return false;
    await this.delete(blobId);
    return true;
  }

  /** Returns null when there already is a blob with this content. */
  private async insert(scope: string, bytes: WrittenBytes): Promise<{ blobId: string; isDuplicate: boolean } | null> {
    const { storageKey, keyId, sha256, size } = bytes;
    const [row] = await this.transaction.query<{ id: string }>(
      statement('insert', [await this.ids.next(), storageKey, keyId, scope, sha256, size]),
    );
    return row ? { blobId: row.id, isDuplicate: false } : null;
  }

  /** Returns null when the blob no longer exists. */
  private async addReference(
    scope: string,
    bytes: WrittenBytes,
  ): Promise<{ blobId: string; isDuplicate: boolean } | null> {
    const [row] = await this.transaction.query<{ id: string; storage_key: string; previous: string }>(
      statement('add-reference', [bytes.storageKey, bytes.keyId, scope, bytes.sha256]),
    );
    if (!row) return null;
    const isDuplicate = row.storage_key !== bytes.storageKey;
    if (isDuplicate) await this.leases.deleteAfterCommit([bytes.storageKey]);
    else await this.leases.mark([row.previous], 'DELETE', OLD_BYTES_MS);
    return { blobId: row.id, isDuplicate };
  }

  private scopeOf(owner: Owner): string {
    return this.settings.deduplication === 'owner' ? owner.key : ALL_USERS;
  }

  private async delete(blobId: string): Promise<void> {
    const thumbnails = await this.deleteReturningKeys('thumbnails', 'blob_id', blobId);
    const bytes = await this.deleteReturningKeys('blobs', 'id', blobId);
    await this.leases.deleteAfterCommit([...thumbnails, ...bytes]);
  }

  private async deleteReturningKeys(
    table: 'blobs' | 'thumbnails',
    column: 'id' | 'blob_id',
    id: string,
  ): Promise<string[]> {
    const rows = await this.transaction.query<{ storage_key: string }>({
      name: `blobs-delete-from-${table}`,
      text: `DELETE FROM ${table} WHERE ${column} = $1 RETURNING storage_key`,
      values: [id],
    });
    return rows.map((row) => row.storage_key);
  }

  private async one(name: string, where: string, values: unknown[]): Promise<KnownBlob | null> {
    return (await this.many(name, where, values))[0] ?? null;
  }

  private async many(name: string, where: string, values: unknown[]): Promise<KnownBlob[]> {
    const rows = await this.transaction.read<BlobRow>({
      name: `blobs-${name}`,
      text: `SELECT id, storage_key, key_id, size, sha256, damaged_at FROM blobs WHERE ${where}`,
      values,
    });
    return rows.map((row) => ({
      ...{ id: row.id, storageKey: row.storage_key, keyId: row.key_id, size: Number(row.size) },
      ...{ sha256: row.sha256, isDamaged: row.damaged_at !== null },
    }));
  }
}

interface BlobRow {
  id: string;
  storage_key: string;
  key_id: string | null;
  size: string;
  sha256: string;
  damaged_at: Date | null;
}
