// DTOs of links: request and response shapes, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { IntField } from '../../../common/decorators/fields.decorator.js';
import { PageOf, PageQuery, SortField } from '../../../common/dto/page.dto.js';
import type { FileLink } from '../file-link.entity.js';

const DAY = 86_400;

export class CreateLinkDto {
  @IntField({ min: 1, max: 30 * DAY, optional: true, default: 3_600, description: 'Seconds' })
  expiresIn: number = 3_600;
}

export class ListLinksQuery extends PageQuery {
  @SortField(['-createdAt', 'createdAt'])
  sort = '-createdAt';
}

export class LinkDto {
  @ApiProperty({ format: 'uuid', example: '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11' })
  id!: string;

  @ApiProperty({
    example: '/api/links/01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11.kJ0…',
    description: 'On this server; every holder may download the file',
  })
  url!: string;

  @ApiProperty({ type: 'integer', example: 1, description: 'The version of the file that it stands for, and no other' })
  fileVersion!: number;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;

  @ApiProperty({ format: 'date-time' })
  expiresAt!: Date;
}

export class LinkPage extends PageOf(LinkDto) {}

export function toLinkDto({ uuid, fileVersion, createdAt, expiresAt }: FileLink, token: string): LinkDto {
  return { id: uuid, url: `/api/links/${token}`, fileVersion, createdAt, expiresAt };
}
