// Everything the outside sees of a file: shapes in, the shape out, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { PageOf, PageQuery, SortField } from '../../common/dto/page.dto.js';
import type { FileEntity } from '../file.entity.js';

export class ListFilesQuery extends PageQuery {
  @SortField(['-createdAt', 'createdAt'])
  sort = '-createdAt';
}

export class FileDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({ example: 'report.pdf', description: 'Without folders and control characters' })
  name!: string;

  @ApiProperty({ example: 'application/pdf', description: 'As the upload said' })
  mimeType!: string;

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
}

export class FilePage extends PageOf(FileDto) {}

export function toFileDto(file: FileEntity): FileDto {
  return {
    id: file.uuid,
    name: file.name,
    mimeType: file.mimeType,
    size: file.size,
    sha256: file.sha256,
    bucket: file.bucket,
    createdAt: file.createdAt,
    version: file.version,
  };
}
