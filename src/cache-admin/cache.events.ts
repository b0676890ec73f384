// The event of the cache.
import { defineEvent } from '../shared/events/event.js';

/** An administrator cleared the cache, or the part that matches a pattern. */
export const CacheCleared = defineEvent<{ pattern: string; removed: number }>('cache.cleared', { audited: true });
