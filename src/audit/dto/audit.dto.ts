// DTOs of the audit log, and the mapper.
import { ApiProperty } from '@nestjs/swagger';
import { IdField, TextField, TimeField } from '../../common/decorators/fields.decorator.js';
import { PageOf, PageQuery, SortField } from '../../common/dto/page.dto.js';
import { guardCell } from '../../shared/libs/csv/csv-cells.js';
import type { AuditEntry } from '../audit-entry.entity.js';

export class ListAuditQuery extends PageQuery {
  @SortField(['-createdAt', 'createdAt'])
  sort = '-createdAt';

  @TextField({ max: 50, optional: true, example: 'cache.cleared' })
  action?: string;

  @IdField({ optional: true, description: 'Only what this user did' })
  actorId?: string;

  @IdField({ optional: true, description: 'Only what was done to this object' })
  subjectId?: string;

  @TimeField({ optional: true, description: 'Only from this time on' })
  since?: Date;

  @TimeField({ optional: true, description: 'Only before this time' })
  until?: Date;
}

export class AuditEntryDto {
  @ApiProperty({ format: 'uuid' })
  id!: string;

  @ApiProperty({
    type: String,
    format: 'uuid',
    nullable: true,
    description: 'Who did it; null: the system, a command, or a client that has not logged in',
  })
  actorId!: string | null;

  @ApiProperty({ example: 'cache.cleared' })
  action!: string;

  @ApiProperty({ type: String, format: 'uuid', nullable: true, description: 'The object that was changed or read' })
  subjectId!: string | null;

  @ApiProperty({ type: 'object', additionalProperties: true, example: { pattern: '*', removed: 42 } })
  details!: Record<string, unknown>;

  @ApiProperty({ type: String, nullable: true, description: 'Finds the log lines of the request' })
  requestId!: string | null;

  @ApiProperty({ type: String, nullable: true, description: 'Address of the client', example: '203.0.113.7' })
  address!: string | null;

  @ApiProperty({ format: 'date-time' })
  createdAt!: Date;
}

export class AuditPage extends PageOf(AuditEntryDto) {}

export function toAuditEntryDto(entry: AuditEntry): AuditEntryDto {
  return {
    id: entry.uuid,
    actorId: entry.actorUuid,
    action: entry.action,
    subjectId: entry.subjectUuid,
    details: entry.details,
    requestId: entry.requestId,
    address: entry.address,
    createdAt: entry.createdAt,
  };
}

const COLUMNS = ['id', 'createdAt', 'action', 'actorId', 'subjectId', 'requestId', 'address', 'details'] as const;

export const AUDIT_CSV_HEADER: readonly string[] = COLUMNS;

export function toAuditCells(entry: AuditEntry): string[] {
  const dto = toAuditEntryDto(entry);
  const texts = { ...dto, createdAt: dto.createdAt.toISOString(), details: JSON.stringify(dto.details) };
  return COLUMNS.map((column) => guardCell(texts[column] ?? ''));
}
