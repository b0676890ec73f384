// The links' table. A revoked link is a deleted row.
import { Injectable } from '@nestjs/common';
import type { Page } from '../../common/dto/page.dto.js';
import { BaseRepository, type PageRequest, type SortColumn } from '../../common/repositories/base.repository.js';
import type { FileEntity } from '../file.entity.js';
import { FileLink } from './file-link.entity.js';
import { LinkErrors } from './links.errors.js';

/** Where a link leads, and whether it still does. */
export interface LinkTarget {
  fileUuid: string;
  ownerUuid: string;
  ownerId: string;
  isAlive: boolean;
}

@Injectable()
export class LinksRepository extends BaseRepository<FileLink> {
  protected readonly entity = FileLink;
  protected readonly sorts: Record<string, SortColumn<FileLink>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
  };

  async create(file: FileEntity, expiresInSeconds: number): Promise<FileLink> {
    const expiresAt = (): string => `CURRENT_TIMESTAMP + ${expiresInSeconds} * interval '1 second'`;
    const [link] = await this.insertAll([
      { fileId: file.id, fileVersion: file.version, expiresAt: expiresAt as unknown as Date },
    ]);
    return link as FileLink;
  }

  /** Those that were not revoked. */
  listOf(file: FileEntity, request: PageRequest): Promise<Page<FileLink>> {
    const scope = 'row.file_id = :file AND row.deleted_at IS NULL';
    return this.page(this.rows().withDeleted().where(scope, { file: file.id }), request);
  }

  /** Throws NOT_FOUND. */
  async revoke(file: FileEntity, uuid: string): Promise<void> {
    await this.remove({ where: { uuid, fileId: file.id }, missing: () => LinkErrors.NOT_FOUND() });
  }

  /** Null: there never was such a link. */
  async findTarget(uuid: string): Promise<LinkTarget | null> {
    const [row] = await this.transaction.read<{ uuid: string; owner_uuid: string; owner_id: string; alive: boolean }>({
      name: 'link-find-target',
      text: `
        SELECT f.uuid, f.owner_uuid, f.owner_id,
          l.deleted_at IS NULL AND l.expires_at > now() AND f.deleted_at IS NULL AND f.version = l.file_version AS alive
        FROM file_links l JOIN files f ON f.id = l.file_id WHERE l.uuid = $1`,
      values: [uuid],
    });
    return row ? { fileUuid: row.uuid, ownerUuid: row.owner_uuid, ownerId: row.owner_id, isAlive: row.alive } : null;
  }
}
