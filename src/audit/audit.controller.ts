// REST endpoint of the audit log, for administrators.
import { Controller, Get } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import { definePermissions } from '../common/access/permissions.js';
import type { Actor } from '../common/access/permissions.js';
import { CurrentUser } from '../common/decorators/current-user.decorator.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { QueryParams } from '../common/decorators/input.decorator.js';
import { SearchGate } from '../common/search-gate.js';
import { AuditRepository } from './audit.repository.js';
import { AuditPage, ListAuditQuery, SEARCH_FILTERS, toAuditEntryDto } from './dto/audit.dto.js';

const AuditPermissions = definePermissions({ read: 'audit:read' });

@ApiTags('Operators')
@Controller('audit-logs')
export class AuditController {
  constructor(
    private readonly audit: AuditRepository,
    private readonly searches: SearchGate,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List what was done by administrators',
    returns: AuditPage,
    paged: true,
    requires: AuditPermissions.read,
    searchBy: SEARCH_FILTERS,
  })
  async list(@CurrentUser() actor: Actor, @QueryParams() query: ListAuditQuery): Promise<AuditPage> {
    const { items, nextCursor } = await this.searches.run(actor, query, SEARCH_FILTERS, () => this.audit.list(query));
    return { items: items.map(toAuditEntryDto), nextCursor };
  }
}
