// REST endpoints to inspect and clear the cache.
import { Controller, Delete, Get, Header } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { definePermissions } from '../common/access/permissions.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { QueryParams } from '../common/decorators/input.decorator.js';
import { CacheClearedDto, CacheStatusDto, ClearCacheQuery } from './cache.dto.js';
import { CacheReport } from './cache-report.js';

const CachePermissions = definePermissions({ read: 'cache:read', clear: 'cache:clear' });

@ApiTags('Operators')
@Controller()
export class CacheController {
  constructor(private readonly cache: CacheReport) {}

  @Get('cache-status')
  @Header('Cache-Control', 'no-store')
  @Endpoint({
    summary: 'How the cache of the whole deployment does',
    description: 'Other processes count as of at most a second ago.',
    returns: CacheStatusDto,
    requires: CachePermissions.read,
  })
  status(): Promise<CacheStatusDto> {
    return this.cache.status();
  }

  @Delete('cache')
  @Endpoint({
    summary: 'Empty the cache, in every layer of every process',
    returns: CacheClearedDto,
    requires: CachePermissions.clear,
  })
  async clear(@QueryParams() { pattern }: ClearCacheQuery): Promise<CacheClearedDto> {
    return { message: 'Cache cleared successfully', ...(await this.cache.clear(pattern ?? '*')) };
  }
}
