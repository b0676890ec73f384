// The links table. A revoked link is a deleted row.
import { Injectable } from '@nestjs/common';
import type { Page, PageRequest } from '../../common/repositories/page.js';
import {
  BaseRepository,
  type KeyRange,
  type Purged,
  type SortColumn,
} from '../../common/repositories/base.repository.js';
import type { EventShape } from '../../common/repositories/event-of-row.js';
import { RepositoryTools } from '../../common/repositories/repository-tools.js';
import type { FileEntity } from '../file.entity.js';
import { FileSettings } from '../files.settings.js';
import { FileLink } from './file-link.entity.js';
import { isPurgedFor } from '../purged-files.js';
import { LinkCreated, LinkRevoked } from '../files.events.js';
import { LinkErrors } from './links.errors.js';

/** Target of a link. `isAlive`: the link is valid. */
export interface LinkTarget {
  fileUuid: string;
  ownerUuid: string;
  ownerId: string;
  isAlive: boolean;
}

@Injectable()
export class LinksRepository extends BaseRepository<FileLink> {
  protected readonly entity = FileLink;
  protected readonly eventShape: EventShape<FileLink> = { owner: 'ownerId', fields: ['fileVersion', 'expiresAt'] };
  protected readonly sorts: Record<string, SortColumn<FileLink>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
  };

  constructor(
    tools: RepositoryTools,
    private readonly settings: FileSettings,
  ) {
    super(tools);
  }

  /** Creates a link. Throws QUOTA_EXCEEDED. */
  create(file: FileEntity, expiresInSeconds: number): Promise<FileLink> {
    const { linkQuota } = this.settings;
    const expiresAt = (): string => `CURRENT_TIMESTAMP + ${expiresInSeconds} * interval '1 second'`;
    const { id: fileId, version: fileVersion, ownerId } = file;
    return this.lockingOwner(ownerId, async () => {
      if ((await this.countLiving(ownerId)) >= linkQuota) throw LinkErrors.QUOTA_EXCEEDED(linkQuota);
      const value = { fileId, fileVersion, ownerId, expiresAt: expiresAt as unknown as Date };
      const [link] = await this.insertAll([value], LinkCreated);
      return link as FileLink;
    });
  }

  /** Counts the valid links of the owner. */
  private async countLiving(ownerId: string): Promise<number> {
    const [row] = await this.transaction.query<{ count: number }>({
      name: 'links-count-living',
      text: `
        SELECT count(*)::integer AS count FROM file_links l
        JOIN files f ON f.id = l.file_id AND f.version = l.file_version AND f.deleted_at IS NULL
        WHERE l.owner_id = $1 AND l.expires_at > now() AND l.deleted_at IS NULL`,
      values: [ownerId],
    });
    return row?.count ?? 0;
  }

  /** Lists the links of a file that are not revoked. */
  listOf(file: FileEntity, request: PageRequest): Promise<Page<FileLink>> {
    return this.page(this.pageQuery('present').where('row.file_id = :file', { file: file.id }), request);
  }

  /** Revokes a link. Throws NOT_FOUND. */
  async revoke(file: FileEntity, uuid: string): Promise<void> {
    const where = { uuid, fileId: file.id };
    await this.remove({ where, tags: [], event: LinkRevoked, missing: () => LinkErrors.NOT_FOUND() });
  }

  /**
   * Deletes links that expired or were revoked `days` ago, and links to files whose rows can be deleted. Those count in no
   * quota. A scalar subquery looks at one link's file; PostgreSQL might turn EXISTS into a read of all such files.
   */
  purge(range: KeyRange, days: number): Promise<Purged> {
    const isOver = `
      least(old.expires_at, old.deleted_at) < now() - $4::integer * interval '1 day'
      OR (SELECT ${isPurgedFor('f')} FROM files f WHERE f.id = old.file_id)`;
    return this.purgeRange(range, isOver, [days]);
  }

  /** Returns null when the link never existed. */
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
