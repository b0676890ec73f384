// The files table. The statements themselves check who may access a row.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import type { PageQuery } from '../common/repositories/page-query.js';
import { BaseRepository, type KeyRange, type Purged, type SortColumn } from '../common/repositories/base.repository.js';
import type { EventShape } from '../common/repositories/event-of-row.js';
import { columnsOf } from '../common/repositories/to-entity.js';
import { FileEntity } from './file.entity.js';
import { FileCreated, FileDeleted, FileRestored, FileUpdated } from './files.events.js';
import { FileErrors } from './files.errors.js';
import { isPurgedFor } from './purged-files.js';
import type { Owner } from '../common/access/permissions.js';

export interface FilesRequest extends PageRequest {
  bucket?: string;
}

@Injectable()
export class FilesRepository extends BaseRepository<FileEntity> {
  private columnList: string | undefined;
  protected readonly entity = FileEntity;
  protected readonly eventShape: EventShape<FileEntity> = {
    owner: 'ownerId',
    fields: ['ownerUuid', 'name', 'mimeType', 'declaredType', 'size', 'sha256', 'bucket'],
  };
  protected readonly sorts: Record<string, SortColumn<FileEntity>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
  };

  async create(owner: Owner, value: Partial<FileEntity>): Promise<FileEntity> {
    const [file] = await this.insertAll([{ ...value, ownerId: owner.key, ownerUuid: owner.id }], FileCreated);
    return file as FileEntity;
  }

  /** Returns a file of the owner. Throws NOT_FOUND. */
  async getOwned(owner: Owner, uuid: string): Promise<FileEntity> {
    const [row] = await this.transaction.read({
      name: 'file-get-owned',
      text: `SELECT ${this.columns} FROM files f WHERE uuid = $1 AND (owner_id = $2) IS TRUE AND deleted_at IS NULL`,
      values: [uuid, owner.key],
    });
    if (!row) throw FileErrors.NOT_FOUND(uuid);
    return this.toEntity(row);
  }

  /** Returns a file that the reader may download: an own one, or any file in a public bucket. Throws NOT_FOUND. */
  async getReadable(reader: Owner | undefined, uuid: string): Promise<FileEntity & { isPublic: boolean }> {
    const [row] = await this.transaction.read<{ is_public: boolean }>({
      name: 'file-get-readable',
      text: `
        SELECT ${this.columns}, coalesce(b.visibility = 'public', false) AS is_public
        FROM files f LEFT JOIN buckets b ON b.name = f.bucket AND b.deleted_at IS NULL
        WHERE f.uuid = $1 AND f.deleted_at IS NULL AND (f.owner_id = $2 OR b.visibility = 'public')
          AND EXISTS (SELECT FROM users u WHERE u.id = f.owner_id AND u.deleted_at IS NULL)`,
      values: [uuid, reader?.key ?? null],
    });
    if (!row) throw FileErrors.NOT_FOUND(uuid);
    return Object.assign(this.toEntity(row), { isPublic: row.is_public });
  }

  /** Finds a file of any owner; null when there is none or it is deleted. */
  async find(uuid: string): Promise<FileEntity | null> {
    return this.rows().withDeleted().where('row.uuid = :uuid AND row.deleted_at IS NULL', { uuid }).getOne();
  }

  listOwned(owner: Owner, request: FilesRequest): Promise<Page<FileEntity>> {
    return this.list(this.pageQuery('present').where('row.owner_id = :owner', { owner: owner.key }), request);
  }

  /** Lists the deleted files of all owners. */
  listDeleted(request: FilesRequest): Promise<Page<FileEntity>> {
    return this.list(this.pageQuery('deleted'), request);
  }

  /** Changes a file of the owner. Throws NOT_FOUND, VERSION_STALE. */
  updateOwned(
    owner: Owner,
    uuid: string,
    patch: Pick<FileEntity, 'name'>,
    expected: ExpectedVersions,
  ): Promise<FileEntity> {
    return this.change(patch, {
      where: { uuid, ownerId: owner.key },
      expected,
      tags: [],
      event: FileUpdated,
      missing: () => FileErrors.NOT_FOUND(uuid),
    });
  }

  /** Deletes a file of the owner softly. Throws NOT_FOUND, VERSION_STALE. */
  deleteOwned(owner: Owner, uuid: string, expected: ExpectedVersions): Promise<FileEntity> {
    return this.remove({
      where: { uuid, ownerId: owner.key },
      expected,
      tags: [],
      event: FileDeleted,
      missing: () => FileErrors.NOT_FOUND(uuid),
    });
  }

  /** Restores a deleted file of any owner. Throws NOT_FOUND unless the file is deleted. */
  undelete(uuid: string): Promise<FileEntity> {
    return this.restore({ where: { uuid }, tags: [], event: FileRestored, missing: () => FileErrors.NOT_FOUND(uuid) });
  }

  /** Removes the blob reference of a file deleted `days` ago. Returns the blob's id; null when there is nothing to do. */
  async detach(uuid: string, days: number): Promise<string | null> {
    const [row] = await this.transaction.query<{ blob_id: string }>({
      name: 'file-detach',
      text: `
        WITH file AS (
          SELECT id, blob_id FROM files
          WHERE uuid = $1 AND blob_id IS NOT NULL AND deleted_at <= now() - $2::integer * interval '1 day' FOR UPDATE
        )
        UPDATE files SET blob_id = NULL, updated_at = now() FROM file WHERE files.id = file.id RETURNING file.blob_id`,
      values: [uuid, days],
    });
    return row?.blob_id ?? null;
  }

  /**
   * Deletes rows of the range whose bytes were purged long enough ago, unless links still refer to them: the cleanup of links
   * deletes those first, in batches of its own, since a file may have any number. A scalar subquery looks at one row's links.
   */
  deletePurged(range: KeyRange): Promise<Purged> {
    const hasNoLink = '(SELECT l.id FROM file_links l WHERE l.file_id = old.id LIMIT 1) IS NULL';
    const isOver = `${isPurgedFor('old')} AND ${hasNoLink}`;
    return this.purgeRange(range, isOver, [], 'deleted_at IS NOT NULL AND blob_id IS NULL');
  }

  /** Returns the UUIDs of those files that are deleted and still have their bytes. */
  async listUnpurged(ids: readonly string[]): Promise<string[]> {
    const rows = await this.transaction.query<{ uuid: string }>({
      name: 'files-list-unpurged',
      text: 'SELECT uuid FROM files WHERE id = ANY ($1) AND deleted_at IS NOT NULL AND blob_id IS NOT NULL',
      values: [ids],
    });
    return rows.map(({ uuid }) => uuid);
  }

  /** Deletes those rows whose bytes are purged, and the links to them, of which a user has few: see LINK_RETENTION_COUNT. */
  async deleteTrimmed(ids: readonly string[]): Promise<void> {
    await this.transaction.query({
      name: 'files-delete-trimmed',
      text: `
        WITH purged AS (
          SELECT id FROM files WHERE id = ANY ($1) AND deleted_at IS NOT NULL AND blob_id IS NULL
        ), unlinked AS (
          DELETE FROM file_links WHERE file_id IN (SELECT id FROM purged)
        )
        DELETE FROM files WHERE id IN (SELECT id FROM purged)`,
      values: [ids],
    });
  }

  /**
   * Empties the metadata of the upload that became this file: a client may send kilobytes, and no quota counts the row of a
   * deleted file. The upload stays until it expires, so that a client which missed the last answer does not send it again.
   */
  async forgetUploadMetadata(uuid: string): Promise<void> {
    await this.transaction.query({
      name: 'file-forget-upload-metadata',
      text: `UPDATE uploads SET metadata = '' WHERE file_uuid = $1`,
      values: [uuid],
    });
  }

  private list(query: PageQuery, request: FilesRequest): Promise<Page<FileEntity>> {
    if (request.bucket !== undefined) query.where('row.bucket = :bucket', { bucket: request.bucket });
    return this.page(query, request);
  }

  private get columns(): string {
    return (this.columnList ??= columnsOf(this.transaction.manager, FileEntity, 'f'));
  }
}
