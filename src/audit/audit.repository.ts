// The audit log table.
import { Injectable } from '@nestjs/common';
import { BaseRepository, type KeyRange, type Purged, type SortColumn } from '../common/repositories/base.repository.js';
import type { Page, PageRequest } from '../common/repositories/page.js';
import { AuditEntry } from './audit-entry.entity.js';

@Injectable()
export class AuditRepository extends BaseRepository<AuditEntry> {
  protected readonly entity = AuditEntry;
  protected readonly sorts: Record<string, SortColumn<AuditEntry>> = {
    createdAt: { sql: 'row.created_at', type: 'timestamptz', value: (row) => row.createdAt },
  };

  async add(entry: Pick<AuditEntry, 'actorUuid' | 'action' | 'details' | 'requestId'>): Promise<void> {
    await this.insertAll([entry]);
  }

  /** Deletes entries older than `days`. */
  purge(range: KeyRange, days: number): Promise<Purged> {
    return this.purgeRange(range, `old.created_at < now() - $4::integer * interval '1 day'`, [days]);
  }

  list(query: PageRequest & { action?: string }): Promise<Page<AuditEntry>> {
    const rows = this.rows();
    if (query.action !== undefined) rows.andWhere('row.action = :action', { action: query.action });
    return this.page(rows, query);
  }
}
