// Deletes the oldest retained rows of owners that have too many: no quota counts a row after its end.
import { Injectable } from '@nestjs/common';
import { Transaction } from '../../shared/database/transaction.js';
import type { RetainedRows } from './retained-rows.js';

/** Rows per statement: its locks are short, and each batch is committed on its own. */
const BATCH = 1_000;
/** Owners per run, those with the most rows first. The next run continues. */
const MAX_OWNERS = 1_000;

/** The limits of one owner. */
export interface RetainedLimits {
  rows: number;
  /** For declarations with `bytes`. */
  bytes?: number;
}

/** An owner with too many rows, and by how much it is above the limits (negative: it is below). */
interface Excess {
  owner: string;
  rows: number;
  bytes: number;
}

interface OldRow {
  id: string;
  bytes: number;
}

/** Deletes rows by their keys. */
type Remove = (ids: readonly string[]) => Promise<unknown>;

@Injectable()
export class RowTrimmer {
  constructor(private readonly transaction: Transaction) {}

  /**
   * Deletes the oldest rows of each owner above the limits, so that the newest stay. `remove`: for rows that own more than
   * themselves, such as bytes in the storage. Returns the number of rows that were above the limits.
   */
  async trim(
    kind: RetainedRows,
    limits: RetainedLimits,
    signal: AbortSignal,
    remove: Remove = (ids) => this.delete(kind, ids),
  ): Promise<number> {
    let trimmed = 0;
    for (const excess of await this.findExcess(kind, limits))
      for (let ids; (ids = await this.takeOldest(kind, excess)).length > 0; trimmed += ids.length) {
        signal.throwIfAborted();
        await remove(ids);
      }
    return trimmed;
  }

  /** Reads the whole index of the retained rows, and not the table. */
  private findExcess({ table, owner, counted, bytes = '0' }: RetainedRows, limits: RetainedLimits): Promise<Excess[]> {
    return this.transaction.query<Excess & Record<string, unknown>>({
      name: `${table}-${owner}-find-excess`,
      text: `
        SELECT ${owner}::text AS owner, (count(*) - $1::bigint)::float8 AS rows, (sum(${bytes}) - $2::bigint)::float8 AS bytes
        FROM ${table} WHERE ${owner} IS NOT NULL AND (${counted})
        GROUP BY ${owner} HAVING count(*) > $1 OR sum(${bytes}) > $2
        ORDER BY 2 DESC LIMIT ${MAX_OWNERS}`,
      values: [limits.rows, limits.bytes ?? 0],
    });
  }

  /**
   * Returns the keys of the oldest rows, up to a batch, and takes them off the excess, whether they can be deleted or not: a row
   * may be restored meanwhile, and the loop must end.
   */
  private async takeOldest(kind: RetainedRows, excess: Excess): Promise<string[]> {
    const ids: string[] = [];
    for (const { id, bytes } of await this.listOldest(kind, excess)) {
      if (excess.rows <= 0 && excess.bytes <= 0) break;
      ids.push(id);
      excess.rows -= 1;
      excess.bytes -= bytes;
    }
    return ids;
  }

  private async listOldest(kind: RetainedRows, { owner, rows, bytes: excessBytes }: Excess): Promise<OldRow[]> {
    if (rows <= 0 && excessBytes <= 0) return [];
    const { table, counted, deletable = 'true', order, bytes = '0' } = kind;
    return this.transaction.query<OldRow & Record<string, unknown>>({
      name: `${table}-${kind.owner}-list-oldest`,
      text: `
        SELECT old.id, (${bytes})::float8 AS bytes FROM ${table} AS old
        WHERE old.${kind.owner} = $1 AND (${counted}) AND (${deletable})
        ORDER BY old.${order}, old.id LIMIT $2`,
      values: [owner, excessBytes > 0 ? BATCH : Math.min(rows, BATCH)],
    });
  }

  /** Repeats the conditions: a row may have been restored since it was listed. */
  private async delete(
    { table, owner, counted, deletable = 'true' }: RetainedRows,
    ids: readonly string[],
  ): Promise<void> {
    await this.transaction.query({
      name: `${table}-${owner}-trim`,
      text: `DELETE FROM ${table} AS old WHERE old.id = ANY ($1) AND (${counted}) AND (${deletable})`,
      values: [ids],
    });
  }
}
