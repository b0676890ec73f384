// Lists, creates, changes, deletes and restores buckets, and emits an event for each change.
import { Injectable } from '@nestjs/common';
import type { ExpectedVersions } from '../../common/repositories/expected-versions.js';
import type { Page } from '../../common/repositories/page.js';
import { HttpErrors } from '../../common/http/http.errors.js';
import { type Actor, can, DeletedPermissions } from '../../common/access/permissions.js';
import { Transaction } from '../../shared/database/transaction.js';
import { Events } from '../../shared/events/events.js';
import { type Bucket, DEFAULT_BUCKET } from './bucket.entity.js';
import { BucketErrors } from './buckets.errors.js';
import { BucketsRepository } from './buckets.repository.js';
import type { ChangeBucketDto, CreateBucketDto, ListBucketsQuery } from './dto/bucket.dto.js';
import { BucketChanged, BucketCreated, BucketDeleted, BucketRestored } from './buckets.events.js';

@Injectable()
export class BucketsService {
  constructor(
    private readonly buckets: BucketsRepository,
    private readonly transaction: Transaction,
    private readonly events: Events,
  ) {}

  /** Lists buckets, or the deleted ones. Throws FORBIDDEN when the actor may not read deleted buckets. */
  list(actor: Actor, query: ListBucketsQuery): Promise<Page<Bucket>> {
    if (query.deleted && !can(actor, DeletedPermissions.read)) throw HttpErrors.FORBIDDEN(DeletedPermissions.read);
    return this.buckets.list(query, query.deleted === true);
  }

  /** Creates a bucket. Throws NAME_TAKEN. */
  create(actor: Actor, value: CreateBucketDto): Promise<Bucket> {
    return this.audited(actor, BucketCreated, value, () => this.buckets.create(value));
  }

  /** Changes a bucket. Throws NOT_FOUND, VERSION_STALE, NEEDED. */
  change(actor: Actor, id: string, patch: ChangeBucketDto, expected: ExpectedVersions): Promise<Bucket> {
    return this.audited(actor, BucketChanged, patch, async () => {
      const bucket = await this.buckets.update(id, patch, expected);
      const isOpen = bucket.visibility === 'private' && bucket.allowedTypes.length === 0;
      if (bucket.name === DEFAULT_BUCKET && !isOpen) throw BucketErrors.NEEDED(bucket.name); // jobs store their results there
      return bucket;
    });
  }

  /** Deletes an unused bucket. Throws NOT_FOUND, VERSION_STALE, NEEDED, NOT_EMPTY. */
  async delete(actor: Actor, id: string, expected: ExpectedVersions): Promise<void> {
    await this.audited(actor, BucketDeleted, {}, async () => {
      const bucket = await this.buckets.delete(id, expected);
      if (bucket.name === DEFAULT_BUCKET) throw BucketErrors.NEEDED(bucket.name);
      if (await this.buckets.isUsed(bucket.name)) throw BucketErrors.NOT_EMPTY(bucket.name);
      return bucket;
    });
  }

  /** Restores a deleted bucket. Throws NOT_FOUND unless deleted, NAME_TAKEN. */
  restore(actor: Actor, id: string): Promise<Bucket> {
    return this.audited(actor, BucketRestored, {}, () => this.buckets.undelete(id));
  }

  private audited(
    actor: Actor,
    event: typeof BucketCreated,
    change: object,
    work: () => Promise<Bucket>,
  ): Promise<Bucket> {
    return this.transaction.run(async () => {
      const bucket = await work();
      await this.events.emit(event, { actorId: actor.id, bucketId: bucket.uuid, bucket: bucket.name, change });
      return bucket;
    });
  }
}
