// Provides the named throttlers of @nestjs/throttler with the configured rates, and the service that counts requests.
import { type DynamicModule, Global, Module } from '@nestjs/common';
import { ThrottlerModule } from '@nestjs/throttler';
import type { AppConfig } from '../../../shared/config/app-config.js';
import { RateLimitSettings } from '../../../shared/rate-limits/rate-limits.settings.js';
import { RequestLimits } from './request-limits.js';

@Global()
@Module({})
export class RequestLimitsModule {
  static for(config: AppConfig): DynamicModule {
    const rates = config.get(RateLimitSettings);
    const throttlers = (['standard', 'auth'] as const).flatMap((kind) =>
      (['burst', 'sustained'] as const).map((tier) => {
        const { quota, window } = rates[kind][tier];
        return { name: `${kind}-${tier}`, limit: quota, ttl: window * 1000 };
      }),
    );
    return {
      module: RequestLimitsModule,
      imports: [ThrottlerModule.forRoot({ throttlers })],
      providers: [RequestLimits],
      exports: [RequestLimits],
    };
  }
}
