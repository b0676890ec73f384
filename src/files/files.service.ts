// Lists and renames files, and reports how much an owner stores.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../common/repositories/expected-versions.js';
import type { Page } from '../common/repositories/page.js';
import { type Actor, DeletedPermissions, type Owner } from '../common/access/permissions.js';
import { PrivilegedAccess } from '../common/access/privileged-access.js';
import { FileSettings } from './files.settings.js';
import { type ListFilesQuery, toUsageDto, type UsageDto } from './dto/file.dto.js';
import type { FileEntity } from './file.entity.js';
import { cleanFileName, expectFileName } from './file-name.js';
import { FilesRepository } from './files.repository.js';
import { UsagesRepository } from '../storage/usages.repository.js';

@Injectable()
export class FilesService {
  constructor(
    private readonly files: FilesRepository,
    private readonly usages: UsagesRepository,
    private readonly settings: FileSettings,
    private readonly access: PrivilegedAccess,
  ) {}

  /** Lists the caller's files; with `deleted`, the deleted files of all users. Throws FORBIDDEN. */
  async list(actor: Actor, query: ListFilesQuery): Promise<Page<FileEntity>> {
    if (!query.deleted) return this.files.listOwned(actor, query);
    await this.access.read(actor, DeletedPermissions.read);
    return this.files.listDeleted(query);
  }

  async usage(owner: Owner): Promise<UsageDto> {
    return toUsageDto(await this.usages.of(owner), this.settings.quota);
  }

  /** Renames a file. Throws VALIDATION_FAILED, NOT_FOUND, VERSION_STALE. */
  async rename(owner: Owner, uuid: string, name: string, expected: ExpectedVersions): Promise<FileEntity> {
    expectFileName('name', name);
    return this.files.updateOwned(owner, uuid, { name: cleanFileName(name) }, expected);
  }
}
