// What administrators see of the cache, and how they empty it.
import { Module } from '@nestjs/common';
import { CacheController } from './cache.controller.js';
import { CacheReport } from './cache-report.js';

@Module({ controllers: [CacheController], providers: [CacheReport] })
export class CacheAdminModule {}
