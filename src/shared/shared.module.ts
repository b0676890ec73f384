// The global infrastructure, available to every module without an import: settings, logger, lifecycle.
import { type DynamicModule, Global, Module } from '@nestjs/common';
import type { AppConfig } from './config/app-config.js';
import { Clock, SystemClock } from './libs/clock.js';
import { Lifecycle } from './lifecycle/lifecycle.js';
import { LOGGER, type Logger } from './logging/logger.js';

@Global()
@Module({})
export class SharedModule {
  static for(config: AppConfig, logger: Logger): DynamicModule {
    const settings = [...config.all()].map(([area, values]) => ({ provide: area, useValue: values }));
    return {
      module: SharedModule,
      providers: [
        ...settings,
        { provide: LOGGER, useValue: logger },
        Lifecycle,
        { provide: Clock, useClass: SystemClock },
      ],
      exports: [...config.all().keys(), LOGGER, Lifecycle, Clock],
    };
  }
}
