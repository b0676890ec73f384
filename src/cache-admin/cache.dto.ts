// DTOs of the cache endpoints.
import { ApiProperty } from '@nestjs/swagger';
import { TextField } from '../common/decorators/fields.decorator.js';

export class CacheLayerDto {
  @ApiProperty({ enum: ['memory', 'redis'], enumName: 'CacheLayerName', example: 'memory' })
  name!: string;

  @ApiProperty({ type: 'integer', example: 1100 })
  hits!: number;

  @ApiProperty({ type: 'integer', example: 330, description: 'What this layer did not have' })
  misses!: number;

  @ApiProperty({ type: 'integer', nullable: true, example: 89, description: 'Entries; null while Redis is away' })
  size!: number | null;

  @ApiProperty({
    type: 'integer',
    nullable: true,
    example: 0,
    description:
      'Entries evicted because the cache was full: many of them mean that CACHE_CAPACITY, CACHE_MAX_BYTES or the memory of Redis is too small. Of Redis: all keys since its start; null while it is away',
  })
  evictions!: number | null;

  @ApiProperty({ example: '76.92%' })
  hitRatio!: string;
}

export class CacheStatusDto {
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

export class ClearCacheQuery {
  @TextField({
    max: 200,
    optional: true,
    description: 'Glob over keys: `*` any text, `?` one character, `[abc]` one of them. Without it everything',
    example: 'task:*',
  })
  pattern?: string;
}

export class CacheClearedDto {
  @ApiProperty({ example: 'Cache cleared successfully' })
  message!: string;

  @ApiProperty({ type: 'integer', example: 42 })
  entriesRemoved!: number;

  @ApiProperty({ type: 'integer', example: 0 })
  currentSize!: number;
}
