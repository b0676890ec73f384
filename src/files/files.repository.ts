// The files' table. Who may see a row is decided in the statement, not after it.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../common/decorators/if-match.decorator.js';
import type { Page } from '../common/dto/page.dto.js';
import { BaseRepository, type PageRequest, type SortColumn } from '../common/repositories/base.repository.js';
import { FileEntity, type FileOwner } from './file.entity.js';
import { FileErrors } from './files.errors.js';

@Injectable()
export class FilesRepository extends BaseRepository<FileEntity> {
  protected readonly entity = FileEntity;
  protected readonly sorts: Record<string, SortColumn<FileEntity>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
  };

  async create(owner: FileOwner, value: Partial<FileEntity>): Promise<FileEntity> {
    const [file] = await this.insertAll([{ ...value, ownerId: owner.key, ownerUuid: owner.id }]);
    return file as FileEntity;
  }

  /** Throws NOT_FOUND. */
  async getOwned(owner: FileOwner, uuid: string): Promise<FileEntity> {
    const scope = 'row.uuid = :uuid AND row.owner_id = :owner AND row.deleted_at IS NULL';
    const file = await this.rows().withDeleted().where(scope, { uuid, owner: owner.key }).getOne();
    if (!file) throw FileErrors.NOT_FOUND(uuid);
    return file;
  }

  listOwned(owner: FileOwner, request: PageRequest): Promise<Page<FileEntity>> {
    const scope = 'row.owner_id = :owner AND row.deleted_at IS NULL';
    return this.page(this.rows().withDeleted().where(scope, { owner: owner.key }), request);
  }

  /** The bytes stay: what is deleted softly can come back. Throws NOT_FOUND, VERSION_STALE. */
  deleteOwned(owner: FileOwner, uuid: string, expected: ExpectedVersions): Promise<FileEntity> {
    return this.remove({
      where: { uuid, ownerId: owner.key },
      expected,
      missing: () => FileErrors.NOT_FOUND(uuid),
    });
  }
}
