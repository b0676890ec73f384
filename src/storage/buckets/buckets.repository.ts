// The table of buckets.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import type { Page, PageRequest } from '../../common/repositories/page.js';
import { BaseRepository, type ChangeRequest, type SortColumn } from '../../common/repositories/base.repository.js';
import type { EventShape } from '../../common/repositories/event-of-row.js';
import { columnsOf } from '../../common/repositories/to-entity.js';
import { constraintOf } from '../../shared/database/sql-state.js';
import { Bucket } from './bucket.entity.js';
import { BucketCreated, BucketDeleted, BucketRestored, BucketUpdated } from './buckets.events.js';
import { BucketErrors } from './buckets.errors.js';

@Injectable()
export class BucketsRepository extends BaseRepository<Bucket> {
  private columnList: string | undefined;
  protected readonly entity = Bucket;
  protected readonly eventShape: EventShape<Bucket> = {
    owner: null,
    fields: ['name', 'visibility', 'maxFileSize', 'userQuota', 'allowedTypes'],
  };
  protected readonly sorts: Record<string, SortColumn<Bucket>> = {
    name: { sql: 'row.name', type: 'text', value: (row) => row.name },
  };

  /** Inserts a bucket. Throws NAME_TAKEN. */
  async create(value: Pick<Bucket, 'name'> & Partial<Bucket>): Promise<Bucket> {
    const [bucket] = await this.insertAll([value], BucketCreated).catch((error: unknown) =>
      refuseTaken(error, value.name),
    );
    return bucket as Bucket;
  }

  /** Returns a bucket by its name. Throws NOT_FOUND. */
  async getNamed(name: string): Promise<Bucket> {
    const [row] = await this.transaction.read({
      name: 'bucket-get-named',
      text: `SELECT ${this.columns} FROM buckets b WHERE name = $1 AND deleted_at IS NULL`,
      values: [name],
    });
    if (!row) throw BucketErrors.NOT_FOUND(name);
    return this.toEntity(row);
  }

  /** Returns a bucket by its UUID. Throws NOT_FOUND. */
  async get(uuid: string): Promise<Bucket> {
    const found = await this.rows().withDeleted().where('uuid = :uuid AND deleted_at IS NULL', { uuid }).getOne();
    if (!found) throw BucketErrors.NOT_FOUND(uuid);
    return found;
  }

  list(request: PageRequest, deleted: boolean): Promise<Page<Bucket>> {
    return this.page(this.pageQuery(deleted ? 'deleted' : 'present'), request);
  }

  /** Throws NOT_FOUND, VERSION_STALE. */
  update(uuid: string, patch: Partial<Bucket>, expected: ExpectedVersions): Promise<Bucket> {
    return this.change(patch, { ...requestFor(uuid, BucketUpdated), expected });
  }

  /** Throws NOT_FOUND, VERSION_STALE. */
  delete(uuid: string, expected: ExpectedVersions): Promise<Bucket> {
    return this.remove({ ...requestFor(uuid, BucketDeleted), expected });
  }

  /** Throws NOT_FOUND unless deleted, NAME_TAKEN. */
  undelete(uuid: string): Promise<Bucket> {
    return this.restore(requestFor(uuid, BucketRestored)).catch((error: unknown) => refuseTaken(error, 'of this name'));
  }

  /** True when the bucket has files, running uploads, or deleted files that can still be restored. */
  async isUsed(name: string): Promise<boolean> {
    const [row] = await this.transaction.query<{ is_used: boolean }>({
      name: 'bucket-is-used',
      text: `
        SELECT EXISTS (SELECT FROM storage_usages WHERE bucket = $1 AND files > 0)
          OR EXISTS (SELECT FROM files WHERE bucket = $1 AND deleted_at IS NOT NULL AND blob_id IS NOT NULL) AS is_used`,
      values: [name],
    });
    return row?.is_used === true;
  }

  private get columns(): string {
    return (this.columnList ??= columnsOf(this.transaction.manager, Bucket, 'b'));
  }
}

function requestFor(uuid: string, event: typeof BucketUpdated): ChangeRequest<Bucket> {
  return { where: { uuid }, tags: [], event, missing: () => BucketErrors.NOT_FOUND(uuid) };
}

function refuseTaken(error: unknown, name: string): never {
  throw constraintOf(error) === 'buckets_name_key' ? BucketErrors.NAME_TAKEN(name) : error;
}
