// The public representation of a bucket: request bodies, the response, and the mapper.
import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { Matches } from 'class-validator';
import { EnumField, IntField, TextField, TextListField } from '../../../common/decorators/fields.decorator.js';
import { PageOf, RestorablePageQuery, SortField } from '../../../common/dto/page.dto.js';
import { type Bucket, VISIBILITIES, type Visibility } from '../bucket.entity.js';

const MAX_BYTES = Number.MAX_SAFE_INTEGER;
const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
const TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/([a-z0-9][a-z0-9!#$&^_.+-]*|\*)$/;

export class CreateBucketDto {
  @TextField({ max: 50, pattern: NAME, example: 'avatars', description: 'a-z, 0-9 and - between. It stays as it is' })
  name!: string;

  @EnumField({
    name: 'BucketVisibility',
    values: VISIBILITIES,
    optional: true,
    default: 'private',
    description: '`public`: anybody may download the content of its files who knows their ids',
  })
  visibility?: Visibility;

  @IntField({ min: 1, max: MAX_BYTES, optional: true, nullable: true, description: 'Bytes; null: FILE_MAX_SIZE' })
  maxFileSize?: number | null;

  @IntField({
    min: 0,
    max: MAX_BYTES,
    optional: true,
    nullable: true,
    description: 'Bytes that one user may have in it; null: no limit but FILE_QUOTA',
  })
  userQuota?: number | null;

  @TextListField({
    items: 50,
    max: 100,
    optional: true,
    example: ['image/png', 'image/*'],
    description: 'What the bytes of a file may be; none: anything',
    rules: [Matches(TYPE, { each: true, message: 'each value in $property must be like image/png or image/*' })],
  })
  allowedTypes?: string[];
}

/** For PUT and PATCH alike: absent members stay unchanged. */
export class ChangeBucketDto extends PartialType(OmitType(CreateBucketDto, ['name'] as const), {
  skipNullProperties: false,
}) {}

export class ListBucketsQuery extends RestorablePageQuery {
  @SortField(['name', '-name'])
  sort = 'name';
}

export class BucketDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({ example: 'avatars' })
  name!: string;

  @ApiProperty({ enum: VISIBILITIES, enumName: 'BucketVisibility', example: 'private' })
  visibility!: Visibility;

  @ApiProperty({ type: 'integer', format: 'int64', nullable: true, example: 1_048_576, description: 'Bytes' })
  maxFileSize!: number | null;

  @ApiProperty({ type: 'integer', format: 'int64', nullable: true, example: null, description: 'Bytes' })
  userQuota!: number | null;

  @ApiProperty({ type: [String], example: ['image/*'] })
  allowedTypes!: string[];

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  updatedAt!: Date;

  @ApiProperty({ type: 'integer', example: 1, description: 'Also the ETag' })
  version!: number;

  @ApiPropertyOptional({ format: 'date-time', description: 'Only of deleted buckets' })
  deletedAt?: Date;
}

export class BucketPage extends PageOf(BucketDto) {}

export function toBucketDto(bucket: Bucket): BucketDto {
  const { uuid, name, visibility, maxFileSize, userQuota, allowedTypes, createdAt, updatedAt, version } = bucket;
  return {
    ...{ id: uuid, name, visibility, maxFileSize, userQuota, allowedTypes, createdAt, updatedAt, version },
    ...(bucket.deletedAt && { deletedAt: bucket.deletedAt }),
  };
}
