// Provides the rate limit counters: in Redis if one is configured, else in the memory of this process.
import { Global, Module } from '@nestjs/common';
import { Clock } from '../libs/clock.js';
import { Redis } from '../redis/redis.js';
import { MemoryRateLimiter } from './memory.rate-limiter.js';
import { RateLimiter } from './rate-limiter.js';
import { RedisRateLimiter } from './redis.rate-limiter.js';

@Global()
@Module({
  providers: [
    {
      provide: RateLimiter,
      inject: [Redis, Clock],
      useFactory: (redis: Redis | null, clock: Clock): RateLimiter =>
        redis ? new RedisRateLimiter(redis, clock) : new MemoryRateLimiter(clock),
    },
  ],
  exports: [RateLimiter],
})
export class RateLimitsModule {}
