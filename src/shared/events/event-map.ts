// All that can happen in the house, and what is told of it: ids, never entities.

interface BucketChange {
  actorId: string;
  bucketId: string;
  bucket: string;
  change: object;
}

export interface EventMap {
  /** Deleted, or with a new password or role: whoever is logged in as this user must not stay so. */
  'user.locked-out': { userId: string };
  /** An administrator created, changed, deleted or restored an account; `fields`: the names of what was changed. */
  'user.created': { actorId: string; userId: string; role: string };
  'user.changed': { actorId: string; userId: string; role: string; fields: string[] };
  'user.deleted': { actorId: string; userId: string };
  'user.restored': { actorId: string; userId: string };
  /** An administrator emptied the cache, or what matched a pattern. */
  'cache.cleared': { actorId: string; pattern: string; removed: number };
  /** A running job says how far it is, 0-100. `ownerId` null: nobody's. */
  'job.progress': { jobId: string; ownerId: string | null; type: string; progress: number };
  /** A job has come to its end. */
  'job.done': { jobId: string; ownerId: string | null; type: string; status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' };
  /** Dead letters go round again, or away; an administrator asked for it. */
  'job.replayed': { actorId: string; jobIds: string[] };
  'job.discarded': { actorId: string; jobIds: string[] };
  'schedule.run': { actorId: string; schedule: string; jobId: string };
  /** An administrator made, changed, deleted or brought back a bucket; `change`: what was asked for. */
  'bucket.created': BucketChange;
  'bucket.changed': BucketChange;
  'bucket.deleted': BucketChange;
  'bucket.restored': BucketChange;
}

export type EventName = keyof EventMap;
