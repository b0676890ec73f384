// DTOs of files: request and response shapes, and the mappers.
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { TextField } from '../../common/decorators/fields.decorator.js';
import { PageOf, RestorablePageQuery, SortField } from '../../common/dto/page.dto.js';
import { DEFAULT_BUCKET } from '../../storage/buckets/bucket.entity.js';
import type { FileEntity } from '../file.entity.js';
import type { Usage } from '../../storage/usages.repository.js';

/** Filters that no index covers: finding a page may read many rows. */
export const SEARCH_FILTERS = ['bucket'] as const;

export class ListFilesQuery extends RestorablePageQuery {
  @SortField(['-createdAt', 'createdAt'])
  sort = '-createdAt';

  @TextField({ max: 50, optional: true, description: 'Only files in the bucket of this name' })
  bucket?: string;
}

export class UploadQuery {
  @TextField({ max: 50, optional: true, description: 'Name of the bucket. Default: `default`' })
  bucket: string = DEFAULT_BUCKET;
}

export class ChangeFileDto {
  @TextField({ max: 255, example: 'report.pdf', description: 'A name, without parts of a path and control characters' })
  name!: string;
}

export class FileDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({ example: 'report.pdf', description: 'Without folders and control characters' })
  name!: string;

  @ApiProperty({
    example: 'application/pdf',
    description: 'As the bytes show; where they show nothing, as the upload declared',
  })
  mimeType!: string;

  @ApiProperty({
    example: 'application/pdf',
    description: 'As the upload declared; unlike `mimeType`, it may be a lie',
  })
  declaredType!: string;

  @ApiProperty({ type: 'integer', format: 'int64', minimum: 0, example: 48213, description: 'Bytes' })
  size!: number;

  @ApiProperty({
    example: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    description: 'Of the bytes, in hexadecimal; also the ETag of the content',
  })
  sha256!: string;

  @ApiProperty({ example: 'default' })
  bucket!: string;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ type: 'integer', example: 1, description: 'Also the ETag' })
  version!: number;

  @ApiPropertyOptional({ format: 'date-time', description: 'Only of deleted files' })
  deletedAt?: Date;
}

export class FilePage extends PageOf(FileDto) {}

export function toFileDto(file: FileEntity): FileDto {
  return {
    id: file.uuid,
    name: file.name,
    mimeType: file.mimeType,
    declaredType: file.declaredType,
    size: file.size,
    sha256: file.sha256,
    bucket: file.bucket,
    createdAt: file.createdAt,
    version: file.version,
    ...(file.deletedAt && { deletedAt: file.deletedAt }),
  };
}

export class BucketUsageDto {
  @ApiProperty({ example: 'default' })
  bucket!: string;

  @ApiProperty({ type: 'integer', format: 'int64', example: 48213 })
  bytes!: number;

  @ApiProperty({ type: 'integer', example: 1 })
  files!: number;
}

export class UsageDto {
  @ApiProperty({
    type: 'integer',
    format: 'int64',
    example: 48213,
    description: 'With what is being uploaded just now',
  })
  bytes!: number;

  @ApiProperty({ type: 'integer', example: 1 })
  files!: number;

  @ApiProperty({ type: 'integer', format: 'int64', example: 10_737_418_240 })
  maxBytes!: number;

  @ApiProperty({ type: 'integer', example: 100_000 })
  maxFiles!: number;

  @ApiProperty({ type: [BucketUsageDto] })
  buckets!: BucketUsageDto[];
}

export function toUsageDto(used: ReadonlyMap<string, Usage>, max: Usage): UsageDto {
  const { bytes, files } = used.get('') ?? { bytes: 0, files: 0 };
  const buckets = [...used].flatMap(([bucket, usage]) => (bucket === '' ? [] : [{ bucket, ...usage }]));
  return { bytes, files, maxBytes: max.bytes, maxFiles: max.files, buckets };
}
