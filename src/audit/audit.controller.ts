// REST endpoint of the audit log, for administrators.
import { Readable } from 'node:stream';
import { Controller, Get, Res } from '@nestjs/common';
import { ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { definePermissions } from '../common/access/permissions.js';
import { Endpoint } from '../common/decorators/endpoint.decorator.js';
import { QueryParams } from '../common/decorators/input.decorator.js';
import { prefers } from '../common/http/vary.js';
import { EventSequencer } from '../shared/events/event-sequencer.js';
import { toCsv } from '../shared/libs/csv/csv-cells.js';
import { AuditRepository } from './audit.repository.js';
import { AUDIT_CSV_HEADER, AuditPage, ListAuditQuery, toAuditCells, toAuditEntryDto } from './dto/audit.dto.js';

const AuditPermissions = definePermissions({ read: 'audit:read' });

const CSV_TYPE = 'text/csv';
/** Entries that an export reads at once. */
const EXPORT_PAGE = 200;

@ApiTags('Operators')
@Controller('audit-logs')
export class AuditController {
  constructor(
    private readonly audit: AuditRepository,
    private readonly sequencer: EventSequencer,
  ) {}

  @Get()
  @Endpoint({
    summary: 'List what was done, by whom and from where',
    description: 'With `Accept: text/csv`: all matching entries as a file, whatever the limit.',
    returns: AuditPage,
    orAs: CSV_TYPE,
    paged: true,
    requires: AuditPermissions.read,
  })
  async list(
    @QueryParams() query: ListAuditQuery,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<AuditPage | Readable> {
    await this.sequencer.catchUp(); // an administrator sees the line of what was done a moment ago
    if (prefers(reply, CSV_TYPE)) {
      void reply.type(`${CSV_TYPE}; charset=utf-8; header=present`);
      reply.header('content-disposition', 'attachment; filename="audit-log.csv"');
      return Readable.from(this.csv(query), { objectMode: false });
    }
    const { items, nextCursor } = await this.audit.list(query);
    return { items: items.map(toAuditEntryDto), nextCursor };
  }

  /** Reads the next entries when the client has read those before. */
  private async *csv(query: ListAuditQuery): AsyncGenerator<Buffer> {
    yield Buffer.from(toCsv([AUDIT_CSV_HEADER]));
    for (let cursor = query.cursor; ;) {
      const { items, nextCursor } = await this.audit.list({ ...query, limit: EXPORT_PAGE, ...(cursor && { cursor }) });
      if (items.length > 0) yield Buffer.from(toCsv(items.map(toAuditCells)));
      if (nextCursor === null) return;
      cursor = nextCursor;
    }
  }
}
