// What the upkeep of the storage asks the tables.
import { Injectable } from '@nestjs/common';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';

const statement = sqlFiles(import.meta.url, 'upkeep');

@Injectable()
export class UpkeepRepository {
  constructor(private readonly transaction: Transaction) {}

  /** PostgreSQL's. */
  async now(): Promise<Date> {
    const [row] = await this.transaction.query<{ now: Date }>({ name: 'upkeep-now', text: 'SELECT now()' });
    return (row as { now: Date }).now;
  }

  /** UUIDs of deleted files whose days are over and which still hold their bytes. */
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

  /** Those of the storage's keys that no row knows. */
  async unknownAmong(storageKeys: readonly string[]): Promise<string[]> {
    const rows = await this.transaction.query<{ key: string }>(statement('unknown-keys', [storageKeys]));
    return rows.map(({ key }) => key);
  }

  /** Ids of blobs with a wrong count of references. */
  async listMiscounted(): Promise<string[]> {
    const rows = await this.transaction.query<{ id: string }>(statement('miscounted-blobs', []));
    return rows.map(({ id }) => id);
  }

  /** Keys of users whose usage is not what their files make. */
  async listMischarged(): Promise<string[]> {
    const rows = await this.transaction.query<{ owner_id: string }>(statement('mischarged-users', []));
    return rows.map((row) => row.owner_id);
  }

  /** In a transaction: the usage becomes what it should be. */
  async recharge(ownerId: string): Promise<void> {
    await this.transaction.query({
      name: 'upkeep-lock-usage',
      text: `SELECT 1 FROM storage_usages WHERE owner_id = $1 FOR UPDATE`,
      values: [ownerId],
    }); // whoever changes it comes before this, or after the commit
    await this.transaction.query(statement('recharge', [ownerId]));
  }

  /** UUIDs of living files whose bytes are lost or damaged. */
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

  /** What is still encrypted with another key, or not at all: damaged blobs, and uploads under way. */
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

  /** Id of the blob of a living file. */
  async findBlobOf(fileUuid: string): Promise<string | null> {
    const [row] = await this.transaction.query<{ blob_id: string | null }>({
      name: 'upkeep-blob-of',
      text: 'SELECT blob_id FROM files WHERE uuid = $1 AND deleted_at IS NULL',
      values: [fileUuid],
    });
    return row?.blob_id ?? null;
  }
}
