// Serves the OpenAPI document over HTTP to the users that the setting DOCS allows.
import { type DynamicModule, Module } from '@nestjs/common';
import type { AppConfig } from '../../../shared/config/app-config.js';
import { DocsSettings } from './docs.settings.js';
import { ApiDocument } from './api-document.js';
import { AdminDocsController, PublicDocsController } from './docs.controller.js';

const CONTROLLERS = { on: [PublicDocsController], admin: [AdminDocsController], off: [] };

@Module({})
export class DocsModule {
  static for(config: AppConfig): DynamicModule {
    const { audience } = config.get(DocsSettings);
    return { module: DocsModule, controllers: CONTROLLERS[audience], providers: [ApiDocument] };
  }
}
