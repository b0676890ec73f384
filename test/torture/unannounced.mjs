// The red twin of the cache torture: as is common, changes are announced to the other processes after the commit, not before it.
import { Coherence } from '../../dist/src/shared/cache/coherence.js';
import { RedisStore } from '../../dist/src/shared/cache/redis.store.js';

Coherence.prototype.announce = async () => 0;
RedisStore.prototype.beginChange = async () => undefined;
