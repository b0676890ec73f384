// Reports the cache's counters to operators, and clears the cache.
import { Injectable } from '@nestjs/common';
import { Clock } from '../shared/libs/clock.js';
import { CacheService } from '../shared/cache/cache.service.js';
import { Events } from '../shared/events/events.js';
import type { CacheStatusDto } from './cache.dto.js';
import { CacheCleared } from './cache.events.js';

@Injectable()
export class CacheReport {
  constructor(
    private readonly cache: CacheService,
    private readonly events: Events,
    private readonly clock: Clock,
  ) {}

  async status(): Promise<CacheStatusDto> {
    const { counts, processes, redisSize, redisEvictions } = await this.cache.status();
    const { memory, redis, requests, loads, ms } = counts;
    const hits = requests - loads;
    return {
      hits,
      misses: loads,
      size: redisSize ?? memory.size,
      averageResponseTime: requests === 0 ? 0 : Math.round((ms / requests) * 1000) / 1000,
      hitRatio: ratio(hits, requests),
      totalRequests: requests,
      timestamp: new Date(this.clock.now()),
      layers: [
        { name: 'memory', ...memory },
        ...(redis ? [{ name: 'redis', ...redis, size: redisSize, evictions: redisEvictions }] : []),
      ].map(({ name, hits: found, misses, size, evictions }) => ({
        ...{ name, hits: found, misses, size, evictions },
        hitRatio: ratio(found, found + misses),
      })),
      processes,
    };
  }

  /** Clears matching entries, and writes an audit entry. */
  async clear(pattern: string): Promise<{ entriesRemoved: number; currentSize: number }> {
    const removed = await this.cache.deletePattern(pattern);
    await this.events.emit(CacheCleared, { pattern, removed });
    return { entriesRemoved: removed, currentSize: (await this.status()).size };
  }
}

function ratio(part: number, whole: number): string {
  return `${(whole === 0 ? 0 : (part / whole) * 100).toFixed(2)}%`;
}
