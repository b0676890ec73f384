// Nest's throttlers with the rates of the settings, and the guard that heeds them.
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import type { AppConfig } from '../../shared/config/app-config.js';
import { RateLimitGuard } from './rate-limit.guard.js';

/** Its guard is put before the routes by the auth module: right after the one that says who asks. */
@Global()
@Module({})
export class RateLimitModule {
  static for({ rateLimits: { standard } }: AppConfig): DynamicModule {
    const throttlers = (['burst', 'sustained'] as const).map((name) => ({
      name,
      limit: standard[name].quota,
      ttl: standard[name].window * 1000,
    }));
    return {
      module: RateLimitModule,
      imports: [ThrottlerModule.forRoot({ throttlers })],
      providers: [RateLimitGuard],
      exports: [RateLimitGuard],
    };
  }
}
