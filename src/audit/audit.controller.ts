// REST endpoint of the audit log, for administrators.
import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { QueryParams } from '../common/decorators/input.decorator.js';
import { HttpErrors } from '../common/http/http.errors.js';
import { AuditRepository } from './audit.repository.js';
import { AuditPage, ListAuditQuery, toAuditEntryDto } from './dto/audit.dto.js';

@ApiTags('Operators')
@Controller('audit-logs')
export class AuditController {
  constructor(private readonly audit: AuditRepository) {}

  @Get()
  @Endpoint({
    summary: 'List what was done by administrators',
    returns: AuditPage,
    paged: true,
    requires: 'audit:read',
    errors: [HttpErrors.INVALID_CURSOR],
  })
  async list(@QueryParams() query: ListAuditQuery): Promise<AuditPage> {
    const { items, nextCursor } = await this.audit.list(query);
    return { items: items.map(toAuditEntryDto), nextCursor };
  }
}
