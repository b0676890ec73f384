// Redis where there is one, and what stands on it: cache, locks, limits.
import { Global, Module } from '@nestjs/common';
import { AppConfig } from '../../config/app-config.js';
import { LOGGER, type Logger } from '../logging/logger.js';
import { Redis } from './redis.js';

@Global()
@Module({
  providers: [
    {
      // Null where none is configured: everything below then works within PostgreSQL and this process.
      provide: Redis,
      inject: [AppConfig, LOGGER],
      useFactory: async ({ redis: { servers, ...rest } }: AppConfig, logger: Logger): Promise<Redis | null> => {
        if (!servers) return null;
        const redis = new Redis({ servers, ...rest }, logger);
        await redis.open();
        return redis;
      },
    },
  ],
  exports: [Redis],
})
export class CacheModule {}
