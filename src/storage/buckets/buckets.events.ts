// The events of buckets.
import { defineAuditedEvent } from '../../shared/events/event.js';

interface BucketChange {
  actorId: string;
  bucketId: string;
  bucket: string;
  /** The requested change. */
  change: object;
}

export const BucketCreated = defineAuditedEvent<BucketChange>('bucket.created');
export const BucketChanged = defineAuditedEvent<BucketChange>('bucket.changed');
export const BucketDeleted = defineAuditedEvent<BucketChange>('bucket.deleted');
export const BucketRestored = defineAuditedEvent<BucketChange>('bucket.restored');
