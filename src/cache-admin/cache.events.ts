// The event of the cache.
import { defineAuditedEvent } from '../shared/events/event.js';

/** An administrator cleared the cache, or the part that matches a pattern. */
export const CacheCleared = defineAuditedEvent<{ actorId: string; pattern: string; removed: number }>('cache.cleared');
