// All events of the application and their payloads: ids, never entities.

interface BucketChange {
  actorId: string;
  bucketId: string;
  bucket: string;
  change: object;
}

export interface EventMap {
  /** The user was deleted or has a new password or role: all sessions of this user must end. */
  'user.locked-out': { userId: string };
  /** An administrator created, changed, deleted or restored an account. `fields`: the names of the changed fields. */
  'user.created': { actorId: string; userId: string; role: string };
  'user.changed': { actorId: string; userId: string; role: string; fields: string[] };
  'user.deleted': { actorId: string; userId: string };
  'user.restored': { actorId: string; userId: string };
  /** An administrator cleared the cache, or the part that matches a pattern. */
  'cache.cleared': { actorId: string; pattern: string; removed: number };
  /** Progress of a running job, 0-100. `ownerId` null: the job has no owner. */
  'job.progress': { jobId: string; ownerId: string | null; type: string; progress: number };
  /** A job has ended. */
  'job.done': { jobId: string; ownerId: string | null; type: string; status: 'SUCCEEDED' | 'FAILED' | 'CANCELLED' };
  /** An administrator replayed or discarded dead letters. */
  'job.replayed': { actorId: string; jobIds: string[] };
  'job.discarded': { actorId: string; jobIds: string[] };
  'schedule.run': { actorId: string; schedule: string; jobId: string };
  /** An administrator created, changed, deleted or restored a bucket. `change`: the requested change. */
  'bucket.created': BucketChange;
  'bucket.changed': BucketChange;
  'bucket.deleted': BucketChange;
  'bucket.restored': BucketChange;
}

export type EventName = keyof EventMap;
