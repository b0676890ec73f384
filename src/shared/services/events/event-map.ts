// All that can happen in the house, and what is told of it: ids, never entities.

export interface EventMap {
  /** Deleted, or with a new password or role: whoever is logged in as this user must not stay so. */
  'user.locked-out': { userId: string };
  /** An administrator emptied the cache, or what matched a pattern. */
  'cache.cleared': { actorId: string; pattern: string; removed: number };
}

export type EventName = keyof EventMap;
