// The audit log table.
import { Injectable } from '@nestjs/common';
import { BaseRepository, type SortColumn } from '../common/repositories/base.repository.js';
import { NO_EVENTS } from '../common/repositories/event-of-row.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import { AuditEntry } from './audit-entry.entity.js';

export interface AuditRequest extends PageRequest {
  action?: string;
  actorId?: string;
  subjectId?: string;
  since?: Date;
  until?: Date;
}

/** Entries that one statement deletes, about: its locks are short. At least as many as a seal may have. */
const MAX_PURGED = 10_000;

@Injectable()
export class AuditRepository extends BaseRepository<AuditEntry> {
  protected readonly entity = AuditEntry;
  protected readonly eventShape = NO_EVENTS;
  protected readonly sorts: Record<string, SortColumn<AuditEntry>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
  };

  /**
   * Deletes the first entries that were sealed more than `days` ago, about MAX_PURGED of them, and records that (`LogPurged`).
   * Returns their number.
   */
  async purge(days: number): Promise<number> {
    const [row] = await this.transaction.query<{ deleted: string }>({
      name: 'audit-purge',
      text: 'SELECT deleted FROM purge_audit_log($1::integer, $2::integer)',
      values: [days, MAX_PURGED],
    });
    return Number(row?.deleted);
  }

  list(query: AuditRequest): Promise<Page<AuditEntry>> {
    const { action, actorId, subjectId, since, until } = query;
    const rows = this.pageQuery('present');
    if (action !== undefined) rows.where('row.action = :action', { action });
    if (actorId !== undefined) rows.where('row.actor_uuid = :actorId', { actorId });
    if (subjectId !== undefined) rows.where('row.subject_uuid = :subjectId', { subjectId });
    if (since) rows.where('row.created_at >= :since', { since });
    if (until) rows.where('row.created_at < :until', { until });
    return this.page(rows, query);
  }
}
