// Statements of the storage's upkeep.
import { Injectable } from '@nestjs/common';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';

const statement = sqlFiles(import.meta.url, 'upkeep');

@Injectable()
export class UpkeepRepository {
  constructor(private readonly transaction: Transaction) {}

  /** Returns PostgreSQL's time. */
  async now(): Promise<Date> {
    const [row] = await this.transaction.query<{ now: Date }>({ name: 'upkeep-now', text: 'SELECT now()' });
    return (row as { now: Date }).now;
  }

  /** Returns the UUIDs of deleted files that still have their bytes after the retention. */
  async listOverdue(days: number, limit: number): Promise<string[]> {
    const rows = await this.transaction.query<{ uuid: string }>({
      name: 'upkeep-overdue',
      text: `
        SELECT uuid FROM files WHERE blob_id IS NOT NULL AND deleted_at <= now() - $1::integer * interval '1 day'
        ORDER BY deleted_at LIMIT $2`,
      values: [days, limit],
    });
    return rows.map(({ uuid }) => uuid);
  }

  /** Returns those storage keys that are in no row. */
  async unknownAmong(storageKeys: readonly string[]): Promise<string[]> {
    const rows = await this.transaction.query<{ key: string }>(statement('unknown-keys', [storageKeys]));
    return rows.map(({ key }) => key);
  }

  /** Returns the ids of blobs with a wrong reference count. */
  async listMiscounted(): Promise<string[]> {
    const rows = await this.transaction.query<{ id: string }>(statement('miscounted-blobs', []));
    return rows.map(({ id }) => id);
  }

  /** Returns the keys of users whose usage differs from the sum of their files. */
  async listMischarged(): Promise<string[]> {
    const rows = await this.transaction.query<{ owner_id: string }>(statement('mischarged-users', []));
    return rows.map((row) => row.owner_id);
  }

  /** Corrects the usage of a user. Runs in a transaction. */
  async recharge(ownerId: string): Promise<void> {
    await this.transaction.query({
      name: 'upkeep-lock-usage',
      text: `SELECT 1 FROM storage_usages WHERE owner_id = $1 FOR UPDATE`,
      values: [ownerId],
    }); // other changes of the usage happen before this lock, or after the commit
    await this.transaction.query(statement('recharge', [ownerId]));
  }

  /** Returns the UUIDs of files, not deleted, whose bytes are lost or damaged. */
  async listDamagedFiles(limit: number): Promise<string[]> {
    const rows = await this.transaction.query<{ uuid: string }>({
      name: 'upkeep-damaged',
      text: `
        SELECT f.uuid FROM blobs b JOIN files f ON f.blob_id = b.id
        WHERE b.damaged_at IS NOT NULL AND f.deleted_at IS NULL ORDER BY f.id LIMIT $1`,
      values: [limit],
    });
    return rows.map(({ uuid }) => uuid);
  }

  /** Counts what is still encrypted with another key, or not at all: damaged blobs, and running uploads. */
  async countOtherKeys(keyId: string): Promise<{ damagedLeft: number; uploadsLeft: number }> {
    const [row] = await this.transaction.query<{ damaged: number; uploads: number }>({
      name: 'upkeep-count-other-keys',
      text: `
        SELECT (SELECT count(*)::int FROM blobs WHERE key_id IS DISTINCT FROM $1) AS damaged,
          (SELECT count(DISTINCT upload_id)::int FROM upload_segments WHERE key_id IS DISTINCT FROM $1) AS uploads`,
      values: [keyId],
    });
    return { damagedLeft: row?.damaged ?? 0, uploadsLeft: row?.uploads ?? 0 };
  }

  /** Returns the blob id of a file that is not deleted. */
  async findBlobOf(fileUuid: string): Promise<string | null> {
    const [row] = await this.transaction.query<{ blob_id: string | null }>({
      name: 'upkeep-blob-of',
      text: 'SELECT blob_id FROM files WHERE uuid = $1 AND deleted_at IS NULL',
      values: [fileUuid],
    });
    return row?.blob_id ?? null;
  }
}
