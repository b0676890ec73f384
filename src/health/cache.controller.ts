// How the cache does, and emptying it.
import { Controller, Delete, Get, Header } from '@nestjs/common';
import { ApiProperty, ApiTags } from '@nestjs/swagger';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { TextField } from '../common/decorators/fields.decorator.js';
import { QueryParams } from '../common/decorators/input.decorator.js';
import type { Actor } from '../common/permissions.js';
import { CacheReport } from './cache-report.js';

class CacheLayerDto {
  @ApiProperty({ enum: ['memory', 'redis'], example: 'memory' })
  name!: string;

  @ApiProperty({ type: 'integer', example: 1100 })
  hits!: number;

  @ApiProperty({ type: 'integer', example: 330, description: 'What this layer did not have' })
  misses!: number;

  @ApiProperty({ type: 'integer', nullable: true, example: 89, description: 'Entries; null while Redis is away' })
  size!: number | null;

  @ApiProperty({ example: '76.92%' })
  hitRatio!: string;
}

class CacheStatusDto {
  @ApiProperty({ type: 'integer', example: 1250, description: 'Answered from any layer' })
  hits!: number;

  @ApiProperty({ type: 'integer', example: 180, description: 'Loaded from the database' })
  misses!: number;

  @ApiProperty({
    type: 'integer',
    example: 89,
    description: 'Entries: of Redis where there is one, else of all processes',
  })
  size!: number;

  @ApiProperty({ example: 0.85, description: 'Milliseconds, loads included' })
  averageResponseTime!: number;

  @ApiProperty({ example: '87.41%' })
  hitRatio!: string;

  @ApiProperty({ type: 'integer', example: 1430 })
  totalRequests!: number;

  @ApiProperty({ format: 'date-time' })
  timestamp!: Date;

  @ApiProperty({ type: [CacheLayerDto], description: 'Of all processes together' })
  layers!: CacheLayerDto[];

  @ApiProperty({ type: 'integer', example: 2, description: 'How many processes this counts' })
  processes!: number;
}

class ClearCacheQuery {
  @TextField({
    max: 200,
    optional: true,
    description: 'Glob over keys: `*` any text, `?` one character, `[abc]` one of them. Without it everything',
    example: 'task:*',
  })
  pattern?: string;
}

class CacheClearedDto {
  @ApiProperty({ example: 'Cache cleared successfully' })
  message!: string;

  @ApiProperty({ type: 'integer', example: 42 })
  entriesRemoved!: number;

  @ApiProperty({ type: 'integer', example: 0 })
  currentSize!: number;
}

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
    requires: 'cache:read',
  })
  status(): Promise<CacheStatusDto> {
    return this.cache.status();
  }

  @Delete('cache')
  @Endpoint({
    summary: 'Empty the cache, in every layer of every process',
    returns: CacheClearedDto,
    requires: 'cache:clear',
  })
  async clear(@CurrentUser() actor: Actor, @QueryParams() { pattern }: ClearCacheQuery): Promise<CacheClearedDto> {
    return { message: 'Cache cleared successfully', ...(await this.cache.clear(actor, pattern ?? '*')) };
  }
}
