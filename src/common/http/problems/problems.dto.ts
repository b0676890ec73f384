// The public representation of an error code.
import { STATUS_CODES } from 'node:http';
import { ApiProperty } from '@nestjs/swagger';
import type { CatalogueEntry } from '../../../shared/libs/app-error.js';

export class ProblemTypeDto {
  @ApiProperty({ example: '/problems/VALIDATION_FAILED' })
  type!: string;

  @ApiProperty({ example: 'VALIDATION_FAILED' })
  code!: string;

  @ApiProperty({ example: 400 })
  status!: number;

  @ApiProperty({ example: 'Bad Request' })
  title!: string;

  @ApiProperty({ description: 'What to do about it' })
  cure!: string;
}

export class ProblemTypesDto {
  @ApiProperty({ type: [ProblemTypeDto] })
  items!: ProblemTypeDto[];
}

export function toProblemTypeDto({ code, status, cure }: CatalogueEntry): ProblemTypeDto {
  return { type: `/problems/${code}`, code, status, title: STATUS_CODES[status] ?? 'Error', cure };
}
