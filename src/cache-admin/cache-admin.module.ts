// Module with which administrators inspect and clear the cache.
import { Module } from '@nestjs/common';
import { CacheController } from './cache.controller.js';
import { CacheReport } from './cache-report.js';

@Module({ controllers: [CacheController], providers: [CacheReport] })
export class CacheAdminModule {}
