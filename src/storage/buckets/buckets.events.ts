// The events of buckets.
import { defineEvent, type RowChange } from '../../shared/events/event.js';

export const BucketCreated = defineEvent<RowChange>('bucket.created', { audited: true });
export const BucketUpdated = defineEvent<RowChange>('bucket.updated', { audited: true });
export const BucketDeleted = defineEvent<RowChange>('bucket.deleted', { audited: true });
export const BucketRestored = defineEvent<RowChange>('bucket.restored', { audited: true });
