// DTOs of the audit log, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { TextField } from '../../common/decorators/fields.decorator.js';
import { PageOf, PageQuery, SortField } from '../../common/dto/page.dto.js';
import type { AuditEntry } from '../audit-entry.entity.js';

/** Filters that no index covers: finding a page may read many rows. */
export const SEARCH_FILTERS = ['action'] as const;

export class ListAuditQuery extends PageQuery {
  @SortField(['-createdAt', 'createdAt'])
  sort = '-createdAt';

  @TextField({ max: 50, optional: true, example: 'cache.cleared' })
  action?: string;
}

export class AuditEntryDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({ format: 'uuid', description: 'Who did it' })
  actorId!: string;

  @ApiProperty({ example: 'cache.cleared' })
  action!: string;

  @ApiProperty({ type: 'object', additionalProperties: true, example: { pattern: '*', removed: 42 } })
  details!: Record<string, unknown>;

  @ApiProperty({ type: String, nullable: true, description: 'Finds the log lines of the request' })
  requestId!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;
}

export class AuditPage extends PageOf(AuditEntryDto) {}

export function toAuditEntryDto(entry: AuditEntry): AuditEntryDto {
  return {
    id: entry.uuid,
    actorId: entry.actorUuid,
    action: entry.action,
    details: entry.details,
    requestId: entry.requestId,
    createdAt: entry.createdAt,
  };
}
