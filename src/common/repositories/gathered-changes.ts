// Gathers simultaneous changes of single rows: they share a round trip, a commit and an announcement.
import type pg from 'pg';
import { HttpErrors } from '../http/http.errors.js';
import type { CacheService } from '../../shared/cache/cache.service.js';
import type { ChangeDeadline } from '../../shared/cache/change-deadline.js';
import type { Transaction } from '../../shared/database/transaction.js';
import { createBatcher } from '../../shared/libs/batcher.js';
import { requestContext, runFor, type RunningRequest, runningRequest } from '../../shared/logging/request-context.js';

/** Changes that share a transaction, at most. */
const MAX_GATHERED = 50;
/** A longer value costs more (the search index of a long text): it would delay the others. Characters. */
const MAX_VALUE = 1_000;

export interface GatheredChange<R> {
  /** Cache tags. */
  tags: readonly string[];
  /** Returns the statement that changes the row and does not wait when it is locked. */
  statement: (deadline: ChangeDeadline) => pg.QueryConfig;
  /** Makes the change alone. Resolves to null when no row matches. */
  alone: () => Promise<R | null>;
}

interface Waiting<R> extends GatheredChange<R> {
  running: RunningRequest | undefined;
}

/** The changed row; the result of the change alone; null: it must be tried alone, which also finds the reason. */
type Outcome<R> = { row: pg.QueryResultRow } | { result: R | null } | null;

export class GatheredChanges<R> {
  private readonly batch: (one: Waiting<R>) => Promise<Outcome<R>>;

  constructor(
    private readonly transaction: Transaction,
    private readonly cache: CacheService,
    private readonly toResult: (row: pg.QueryResultRow) => R,
  ) {
    const send = (all: Array<Waiting<R>>): Promise<Array<Outcome<R>>> => this.changeAll(all);
    this.batch = requestContext.exit(() => createBatcher(send, { maxItems: MAX_GATHERED }));
  }

  /**
   * Makes the change together with others that wait, or alone. Resolves to null when no row matches. Call it outside of a
   * transaction. Throws what `alone` throws.
   */
  async change(change: GatheredChange<R>): Promise<R | null> {
    const running = runningRequest();
    const outcome = await this.batch({ ...change, running });
    if (!outcome && running?.cancelled) throw HttpErrors.REQUEST_CANCELLED();
    if (!outcome) return change.alone();
    return 'row' in outcome ? this.toResult(outcome.row) : outcome.result;
  }

  private async changeAll(all: Array<Waiting<R>>): Promise<Array<Outcome<R>>> {
    const [first] = all;
    if (first && all.length === 1) return [{ result: await runFor(first.running, first.alone) }];
    const wanted = all.filter(({ running }) => !running?.cancelled);
    if (wanted.length === 0) return all.map(() => null);
    const tags = new Set(wanted.flatMap((one) => one.tags));
    const answers = await this.cache.changing([...tags], (deadline) =>
      this.transaction.runPipelined([...wanted.map((one) => one.statement(deadline)), deadline.check()]),
    );
    const rows = new Map(wanted.map((one, at) => [one, answers?.[at]?.[0]]));
    return all.map((one) => {
      const row = rows.get(one);
      return row ? { row } : null;
    });
  }
}

/** True for values that cost little to store. SQL, which is a function, is none: it may fire triggers on the rows of others. */
export function isLight(patch: Readonly<Record<string, unknown>>): boolean {
  return Object.values(patch).every((value) => {
    if (typeof value === 'string') return value.length <= MAX_VALUE;
    return typeof value !== 'function' && (!Array.isArray(value) || JSON.stringify(value).length <= MAX_VALUE);
  });
}
