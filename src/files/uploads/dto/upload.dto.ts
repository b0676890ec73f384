// DTOs of uploads outside of tus: the query, the response shape, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { PageOf, PageQuery, SortField } from '../../../common/dto/page.dto.js';
import type { Upload } from '../uploads.repository.js';

export class ListUploadsQuery extends PageQuery {
  @SortField(['-expiresAt', 'expiresAt'])
  sort = '-expiresAt';
}

export class UploadDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-4b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({ example: '/api/uploads/01990a5e-7e1c-4b2f-9c43-0d5f8f1f6a11', description: 'Where it goes on' })
  url!: string;

  @ApiProperty({ example: 'report.pdf', description: 'That the file will have' })
  name!: string;

  @ApiProperty({ example: 'default' })
  bucket!: string;

  @ApiProperty({ type: 'integer', format: 'int64', minimum: 0, example: 48213, description: 'Bytes of the whole' })
  length!: number;

  @ApiProperty({ type: 'integer', format: 'int64', minimum: 0, example: 1024, description: 'So many bytes are here' })
  offset!: number;

  @ApiProperty({ format: 'date-time', description: 'Until when it may be completed' })
  expiresAt!: Date;
}

export class UploadPage extends PageOf(UploadDto) {}

/** `name`: of the future file. */
export function toUploadDto({ id, bucket, size, received, expiresAt }: Upload, name: string): UploadDto {
  return { id, url: `/api/uploads/${id}`, name, bucket, length: size, offset: received, expiresAt };
}
