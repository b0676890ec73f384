// The statements on the seals of the audit log.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import { sqlFiles } from '../../shared/database/sql-file.js';
import type { Seal } from './seal.js';

export interface LogState {
  /** Name of the database. */
  database: string;
  logId: string;
  /** Position of the last entry; 0: none. */
  position: string;
  /** Last sealed position; 0: none. */
  sealed: string;
}

export interface EntryText {
  position: string;
  text: string;
}

const statement = sqlFiles(import.meta.url, 'audit-seals');

@Injectable()
export class AuditSealsRepository {
  constructor(private readonly transaction: Transaction) {}

  async state(): Promise<LogState> {
    const [row] = await this.transaction.query<LogState & Record<string, unknown>>(statement('state', []));
    return row as LogState;
  }

  /** Locks sealing until the end of the transaction. Returns false when another process seals. */
  async lock(): Promise<boolean> {
    const [row] = await this.transaction.query<{ isMine: boolean }>({
      name: 'audit-seals-lock',
      text: `SELECT pg_try_advisory_xact_lock(hashtextextended('audit:seal', 0)) AS "isMine"`,
    });
    return row?.isMine === true;
  }

  /** All later statements of the transaction see the same state. It must be the first statement. */
  async useOneSnapshot(): Promise<void> {
    await this.transaction.query({ text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' });
  }

  /** Returns the texts of the entries at these positions, both included, by position. */
  entries(first: string, last: string, limit: number): Promise<EntryText[]> {
    return this.transaction.query<EntryText & Record<string, unknown>>(statement('entries', [first, last, limit]));
  }

  /** Returns seals that begin behind a position, by position. */
  seals(after: string, limit: number): Promise<Seal[]> {
    return this.transaction.query<Seal & Record<string, unknown>>(statement('seals', [after, limit]));
  }

  /** Returns the seal that ends at the position. */
  async sealEndingAt(position: string): Promise<Seal | null> {
    const [row] = await this.transaction.query<Seal & Record<string, unknown>>({
      name: 'audit-seals-ending-at',
      text: `SELECT first, last, leaves, root, previous, sealed_at AS "sealedAt", signature FROM audit_seals WHERE last = $1`,
      values: [position],
    });
    return row ?? null;
  }

  /** Returns the first sealed position; null: nothing is sealed. */
  async firstSealed(): Promise<string | null> {
    const [row] = await this.transaction.query<{ first: string | null }>({
      name: 'audit-seals-first',
      text: 'SELECT min(first) AS first FROM audit_seals',
    });
    return row?.first ?? null;
  }

  async insert({ first, last, leaves, root, previous, sealedAt, signature }: Seal): Promise<void> {
    await this.transaction.query({
      name: 'audit-seals-insert',
      text: `INSERT INTO audit_seals (first, last, leaves, root, previous, sealed_at, signature) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      values: [first, last, leaves, root, previous, sealedAt, signature],
    });
  }

  /** Returns the newest cleanup and the position up to which it has removed entries, as its entry states; null: there was none. */
  async lastPurge(action: string): Promise<{ through: string; at: Date } | null> {
    const [row] = await this.transaction.query<{ through: string; at: Date }>({
      name: 'audit-seals-last-purge',
      text: `SELECT details->>'through' AS through, created_at AS at FROM audit_log WHERE action = $1 ORDER BY created_at DESC, id DESC LIMIT 1`,
      values: [action],
    });
    return row ?? null;
  }

  /** Returns the age of the oldest entry behind the position, in milliseconds; 0: there is none. */
  async ageBehind(position: string): Promise<number> {
    const [row] = await this.transaction.query<{ ms: number }>({
      name: 'audit-seals-age-behind',
      text: `SELECT coalesce(extract(epoch FROM now() - min(created_at)) * 1000, 0)::float AS ms FROM audit_log WHERE position > $1::bigint`,
      values: [position],
    });
    return row?.ms ?? 0;
  }

  /** Counts entries outside the positions, both included. */
  async countOutside(first: string, last: string): Promise<number> {
    const [row] = await this.transaction.query<{ entries: number }>({
      name: 'audit-seals-count-outside',
      text: 'SELECT count(*)::integer AS entries FROM audit_log WHERE position < $1::bigint OR position > $2::bigint',
      values: [first, last],
    });
    return row?.entries ?? 0;
  }
}
