// Settings of the cache.
import { defineSettings } from '../config/settings.js';
import { SecuritySettings } from '../security/security.settings.js';
import { integer, seconds } from '../config/variables.js';

export const CacheSettings = defineSettings(
  'Cache',
  {
    /** Milliseconds. */
    ttl: seconds('CACHE_TTL', { min: 1, max: 86_400, default: 60, doc: 'Lifetime of a cached read, seconds' }),
    capacity: integer('CACHE_CAPACITY', {
      min: 1,
      default: 10_000,
      doc: 'Maximum number of cached entries per process',
    }),
    maxBytes: integer('CACHE_MAX_BYTES', {
      min: 65_536,
      default: 67_108_864,
      doc: 'Maximum memory of these entries, bytes; the least recently used are evicted first',
    }),
  },
  {
    /** Seals values and messages in Redis. */
    derive: (values, get) => ({ ...values, secret: get(SecuritySettings).sessionSecret }),
  },
);
export type CacheSettings = InstanceType<typeof CacheSettings>;
