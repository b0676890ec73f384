// Lists, creates, changes, deletes and restores buckets.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import type { Page } from '../../common/repositories/page.js';
import { type Actor, DeletedPermissions } from '../../common/access/permissions.js';
import { PrivilegedAccess } from '../../common/access/privileged-access.js';
import { Transaction } from '../../shared/database/transaction.js';
import { type Bucket, DEFAULT_BUCKET } from './bucket.entity.js';
import { BucketErrors } from './buckets.errors.js';
import { BucketsRepository } from './buckets.repository.js';
import type { ChangeBucketDto, CreateBucketDto, ListBucketsQuery } from './dto/bucket.dto.js';

@Injectable()
export class BucketsService {
  constructor(
    private readonly buckets: BucketsRepository,
    private readonly transaction: Transaction,
    private readonly access: PrivilegedAccess,
  ) {}

  /** Lists buckets, or the deleted ones. Throws FORBIDDEN when the actor may not read deleted buckets. */
  async list(actor: Actor, query: ListBucketsQuery): Promise<Page<Bucket>> {
    if (query.deleted) await this.access.read(actor, DeletedPermissions.read);
    return this.buckets.list(query, query.deleted === true);
  }

  /** Creates a bucket. Throws NAME_TAKEN. */
  create(value: CreateBucketDto): Promise<Bucket> {
    return this.buckets.create(value);
  }

  /** Changes a bucket. Throws NOT_FOUND, VERSION_STALE, NEEDED. */
  change(id: string, patch: ChangeBucketDto, expected: ExpectedVersions): Promise<Bucket> {
    return this.transaction.run(async () => {
      const bucket = await this.buckets.update(id, patch, expected);
      const isOpen = bucket.visibility === 'private' && bucket.allowedTypes.length === 0;
      if (bucket.name === DEFAULT_BUCKET && !isOpen) throw BucketErrors.NEEDED(bucket.name); // jobs store their results there
      return bucket;
    });
  }

  /** Deletes an unused bucket. Throws NOT_FOUND, VERSION_STALE, NEEDED, NOT_EMPTY. */
  async delete(id: string, expected: ExpectedVersions): Promise<void> {
    await this.transaction.run(async () => {
      const bucket = await this.buckets.delete(id, expected);
      if (bucket.name === DEFAULT_BUCKET) throw BucketErrors.NEEDED(bucket.name);
      if (await this.buckets.isUsed(bucket.name)) throw BucketErrors.NOT_EMPTY(bucket.name);
    });
  }

  /** Restores a deleted bucket. Throws NOT_FOUND unless deleted, NAME_TAKEN. */
  restore(id: string): Promise<Bucket> {
    return this.buckets.undelete(id);
  }
}
