// Provides the Redis client, or null when no Redis is configured.
import { Global, Module } from '@nestjs/common';
import { RedisSettings } from './redis.settings.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Redis } from './redis.js';

@Global()
@Module({
  providers: [
    {
      // With null, the cache, the locks and the rate limits use PostgreSQL and this process's memory.
      provide: Redis,
      inject: [RedisSettings, LOGGER],
      useFactory: async ({ servers, ...rest }: RedisSettings, logger: Logger): Promise<Redis | null> => {
        if (!servers) return null;
        const redis = new Redis({ servers, ...rest }, logger);
        await redis.open();
        return redis;
      },
    },
  ],
  exports: [Redis],
})
export class RedisModule {}
