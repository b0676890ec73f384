// The tables of uploads: their progress, and the segments that contain their bytes.
import { Injectable } from '@nestjs/common';
import type { Page, PageRequest } from '../../common/repositories/page.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import { RepositoryTools } from '../../common/repositories/repository-tools.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import { Transaction } from '../../shared/database/transaction.js';
import type { BlobAddress } from '../../storage/blobs/blob-store.js';
import { UploadErrors } from './uploads.errors.js';
import type { Owner } from '../../common/access/permissions.js';

const statement = sqlFiles(import.meta.url, 'uploads');

export interface Upload {
  readonly id: string;
  /** Name of the bucket. */
  readonly bucket: string;
  /** Upload-Metadata, as the client sent it. */
  readonly metadata: string;
  /** Bytes. */
  readonly size: number;
  /** Number of bytes received. */
  readonly received: number;
  /** Storage key of the lease that reserves its space: the upload's id, until the file is being written. */
  readonly storageKey: string;
  /** UUID of the file, when the upload is complete. */
  readonly fileUuid: string | null;
  readonly expiresAt: Date;
}

/** A part of an upload's bytes in the storage. */
export interface Segment extends BlobAddress {
  /** Offset of its first byte. */
  readonly start: number;
}

@Injectable()
export class UploadsRepository {
  constructor(
    private readonly transaction: Transaction,
    private readonly tools: RepositoryTools,
  ) {}

  async create(
    owner: Owner,
    upload: Omit<Upload, 'received' | 'fileUuid' | 'expiresAt'>,
    ttl: number,
  ): Promise<Upload> {
    const { id, bucket, metadata, size, storageKey } = upload;
    const [row] = await this.transaction.query<UploadRow>({
      name: 'uploads-create',
      text: `
        INSERT INTO uploads (id, owner_id, bucket, metadata, size, storage_key, expires_at)
        VALUES ($1, $2, $3, $4, $5, $6, now() + $7::bigint * interval '1 ms') RETURNING ${COLUMNS}`,
      values: [id, owner.key, bucket, metadata, size, storageKey, ttl],
    });
    return toUpload(row as UploadRow);
  }

  /** Returns an upload of the owner. Throws NOT_FOUND, EXPIRED. */
  async getOwned(owner: Owner, id: string): Promise<Upload> {
    const [row] = await this.transaction.query<UploadRow & { is_expired: boolean }>({
      name: 'uploads-get-owned',
      text: `SELECT ${COLUMNS}, expires_at <= now() AS is_expired FROM uploads WHERE id = $1 AND (owner_id = $2) IS TRUE`,
      values: [id, owner.key],
    });
    if (!row) throw UploadErrors.NOT_FOUND(id);
    if (row.is_expired) throw UploadErrors.EXPIRED(id);
    return toUpload(row);
  }

  /** Returns a page of the uploads that are neither complete nor expired. Throws INVALID_CURSOR. */
  async listOpen(owner: Owner, { sort, cursor, limit }: PageRequest): Promise<Page<Upload>> {
    const scope = `uploads:${sort}`;
    const after = cursor === undefined ? [null, null] : this.tools.cursors.open(scope, cursor);
    if (!after) throw HttpErrors.INVALID_CURSOR();
    const [isAfter, direction] = sort.startsWith('-') ? ['<', 'DESC'] : ['>', 'ASC'];
    const rows = await this.transaction.query<UploadRow>({
      name: `uploads-list-open-${direction}`,
      text: `
        SELECT ${COLUMNS} FROM uploads
        WHERE owner_id = $1 AND file_uuid IS NULL AND expires_at > now()
          AND ($2::timestamptz IS NULL OR (expires_at, id) ${isAfter} ($2::timestamptz, $3::uuid))
        ORDER BY expires_at ${direction}, id ${direction} LIMIT $4`,
      values: [owner.key, ...after, limit + 1],
    });
    const items = rows.slice(0, limit).map(toUpload);
    const last = rows.length > limit ? items.at(-1) : undefined;
    return { items, nextCursor: last ? this.tools.cursors.seal(scope, [last.expiresAt.toISOString(), last.id]) : null };
  }

  /** Returns the ids of expired uploads, the longest expired first. */
  async listExpired(limit: number): Promise<string[]> {
    const rows = await this.transaction.query<{ id: string }>({
      name: 'uploads-expired',
      text: 'SELECT id FROM uploads WHERE expires_at <= now() ORDER BY expires_at, id LIMIT $1',
      values: [limit],
    });
    return rows.map(({ id }) => id);
  }

  async listSegments(id: string): Promise<Segment[]> {
    const rows = await this.transaction.query<SegmentRow>({
      name: 'uploads-segments',
      text: 'SELECT start, size, storage_key, key_id FROM upload_segments WHERE upload_id = $1 ORDER BY start',
      values: [id],
    });
    return rows.map(toSegment);
  }

  async findLastSegment(id: string): Promise<Segment | null> {
    const [row] = await this.transaction.query<SegmentRow>({
      name: 'uploads-last-segment',
      text: 'SELECT start, size, storage_key, key_id FROM upload_segments WHERE upload_id = $1 ORDER BY start DESC LIMIT 1',
      values: [id],
    });
    return row ? toSegment(row) : null;
  }

  /** True when any upload uses this storage key. */
  async hasSegment(storageKey: string): Promise<boolean> {
    const rows = await this.transaction.query({
      name: 'uploads-has-segment',
      text: 'SELECT 1 FROM upload_segments WHERE storage_key = $1',
      values: [storageKey],
    });
    return rows.length > 0;
  }

  /** Appends a segment, which may replace the last one. Returns false when the upload is not at `received` any more. */
  async append(id: string, received: number, { start, size, storageKey, keyId }: Segment): Promise<boolean> {
    const rows = await this.transaction.query(statement('append', [id, start, size, storageKey, keyId, received]));
    return rows.length > 0;
  }

  /** Changes the key of the reserved space. Returns false when the key has changed already, or the upload is gone. */
  async changeStorageKey({ id, storageKey }: Upload, next: string): Promise<boolean> {
    const rows = await this.transaction.query({
      name: 'uploads-change-storage-key',
      text: 'UPDATE uploads SET storage_key = $3 WHERE id = $1 AND storage_key = $2 AND file_uuid IS NULL RETURNING 1',
      values: [id, storageKey, next],
    });
    return rows.length > 0;
  }

  /** Marks the upload as complete, in the transaction that adds the file. Returns the storage keys of its segments. */
  async finish(id: string, fileUuid: string): Promise<string[]> {
    const rows = await this.transaction.query<{ storage_key: string }>(statement('finish', [id, fileUuid]));
    return rows.map((row) => row.storage_key);
  }

  /** Removes an upload. Returns null when there is none. */
  async remove(id: string): Promise<{ reservation: string; segments: string[] } | null> {
    const rows = await this.transaction.query<{ storage_key: string; is_segment: boolean }>(statement('remove', [id]));
    const reservation = rows.find((row) => !row.is_segment)?.storage_key;
    if (reservation === undefined) return null;
    return { reservation, segments: rows.filter((row) => row.is_segment).map((row) => row.storage_key) };
  }
}

interface UploadRow {
  id: string;
  bucket: string;
  metadata: string;
  size: string;
  received: string;
  storage_key: string;
  file_uuid: string | null;
  expires_at: Date;
}

const COLUMNS = 'id, bucket, metadata, size, received, storage_key, file_uuid, expires_at';

interface SegmentRow {
  start: string;
  size: string;
  storage_key: string;
  key_id: string | null;
}

function toUpload({ id, bucket, metadata, size, received, storage_key, file_uuid, expires_at }: UploadRow): Upload {
  return {
    ...{ id, bucket, metadata, size: Number(size), received: Number(received) },
    ...{ storageKey: storage_key, fileUuid: file_uuid, expiresAt: expires_at },
  };
}

function toSegment({ start, size, storage_key, key_id }: SegmentRow): Segment {
  return { start: Number(start), size: Number(size), storageKey: storage_key, keyId: key_id };
}
