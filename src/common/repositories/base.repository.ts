// The base of all repositories: inserts, conditional changes, keyset pages.
import { Injectable } from '@nestjs/common';
import type pg from 'pg';
import {
  type EntityMetadata,
  type EntityTarget,
  IsNull,
  Not,
  type ObjectLiteral,
  type SelectQueryBuilder,
} from 'typeorm';
import { newUuid } from '../../shared/libs/new-uuid.js';
import type { BaseEntityCustom } from '../../shared/entities/base.entity.js';
import type { AppError } from '../../shared/libs/app-error.js';
import type { CursorKey } from '../../shared/libs/cursor.js';
import type { ChangeDeadline } from '../../shared/cache/change-deadline.js';
import type { CacheService } from '../../shared/cache/cache.service.js';
import type { Transaction } from '../../shared/database/transaction.js';
import type { EventDefinition, RowChange } from '../../shared/events/event.js';
import { eventOrigin, type OriginSource, originAt } from '../../shared/events/record-events.js';
import { changeStatement, type ConditionalChange } from './change-statement.js';
import { type EventShape, recordRows } from './event-of-row.js';
import { type ExpectedVersions, expectVersion } from './expected-versions.js';
import type { Page, PageRequest } from './page.js';
import { PageQuery, type RowState } from './page-query.js';
import { HttpErrors } from '../http/http.errors.js';
import { GatheredChanges, isLight } from './gathered-changes.js';
import { fittingRows } from './fitting-rows.js';
import { RepositoryTools } from './repository-tools.js';
import { toEntity } from './to-entity.js';

/** A sort column of a list: its SQL (indexed together with `id`), its type, and its value in a row. */
export interface SortColumn<E> {
  sql: string;
  type: 'timestamptz' | 'integer' | 'bigint' | 'text';
  value(row: E): Date | number | string;
}

/** The rows that a change may touch: `uuid`, and members that restrict access, such as the owner. */
export type Where<E> = Partial<Pick<E, keyof E & string>> & { uuid: string };

/** Rows in key order: at most `limit` of them, behind `after` and before `below`. */
export interface KeyRange {
  after: string;
  below: string;
  limit: number;
}

/** The result of a purge: the last key that was read (null when there was none) and the number of deleted rows. */
export interface Purged {
  last: string | null;
  deleted: number;
}

/** The target of a change, the expected versions, the cached reads of the row, and the error when there is no such row. */
export interface ChangeRequest<E> {
  where: Where<E>;
  expected?: ExpectedVersions;
  /** True: only a deleted row; default: only a row that is not deleted. */
  deleted?: boolean;
  /** Tags of the cached reads that the change makes outdated. */
  tags: readonly string[];
  /** Recorded in the same statement; null: the caller emits an event, or clients cannot notice the change. */
  event: EventDefinition<RowChange> | null;
  missing(): AppError;
}

@Injectable()
export abstract class BaseRepository<E extends BaseEntityCustom> {
  protected abstract readonly entity: EntityTarget<E>;
  protected abstract readonly sorts: Record<string, SortColumn<E>>;
  protected abstract readonly eventShape: EventShape<E>;
  private gathered: GatheredChanges<E> | undefined;

  constructor(protected readonly tools: RepositoryTools) {}

  protected get transaction(): Transaction {
    return this.tools.transaction;
  }

  protected get cache(): CacheService {
    return this.tools.cache;
  }

  protected rows(alias = 'row'): SelectQueryBuilder<E> {
    return this.transaction.manager.createQueryBuilder(this.entity, alias);
  }

  /** Starts a list; `page` ends it. */
  protected pageQuery(state: RowState, properties?: ReadonlyArray<keyof E & string>): PageQuery {
    return new PageQuery(this.transaction.manager.connection.getMetadata(this.entity), state, properties);
  }

  /**
   * Inserts rows and records an event of each in one statement. Returns them as stored; a row without a `uuid` gets a new one.
   */
  protected async insertAll(values: ReadonlyArray<Partial<E>>, event: EventDefinition<RowChange>): Promise<E[]> {
    const fresh: ObjectLiteral[] = [];
    for (const value of values) fresh.push({ uuid: newUuid(), ...value, id: await this.tools.ids.next() });
    const [insert, parameters] = this.transaction.manager
      .createQueryBuilder()
      .insert()
      .into(this.entity)
      .values(fresh as never)
      .returning('*')
      .getQueryAndParameters();
    const recorded = this.recordRows(event, 'inserted', originAt(parameters.length + 1));
    const text = `WITH inserted AS (${insert}), recorded AS (${recorded}) SELECT * FROM inserted`;
    const rows = await this.transaction.query({ text, values: [...(parameters as unknown[]), ...eventOrigin()] });
    return rows.map((row) => this.toEntity(row));
  }

  /**
   * Returns SQL that records an event of each row of `source`, a part of the same statement that returns all columns of rows it has
   * written.
   */
  protected recordRows(event: EventDefinition<RowChange>, source: string, origin: OriginSource): string {
    return recordRows(this.metadata, this.eventShape, event, { changed: [], from: `${source} AS row`, origin });
  }

  /**
   * Changes a row with one conditional UPDATE. It reads nothing before, so no concurrent change is lost. An empty patch
   * changes nothing, not even the version. Throws `missing()` when the row does not exist (for this caller), VERSION_STALE
   * when it has another version, ChangeTooLateError.
   */
  protected async change(patch: Partial<E>, request: ChangeRequest<E>): Promise<E> {
    const { where, expected = null, deleted = false } = request;
    const changed = Object.keys(patch).length === 0 ? null : await this.tryChange(patch, request);
    if (changed) return changed;
    const byUuid = { uuid: where.uuid, deletedAt: deleted ? Not(IsNull()) : IsNull() };
    const found = await this.rows().withDeleted().where(byUuid).getOne();
    if (!found || !matches(found, where)) throw request.missing();
    expectVersion(expected, found.version);
    if (Object.keys(patch).length === 0) return found;
    throw HttpErrors.CONFLICT(); // the row was created or deleted between the two statements
  }

  /** Returns null when no row matches. Outside of a transaction, simultaneous changes are made together. */
  private tryChange(patch: Partial<E>, request: ChangeRequest<E>): Promise<E | null> {
    const alone = (): Promise<E | null> => this.changeAlone(patch, request);
    if (!request.event || request.deleted || this.transaction.isRunning || !isLight(patch)) return alone();
    const origin = eventOrigin();
    const statement = (deadline: ChangeDeadline) =>
      this.statementOf(patch, request, { deadline, origin, skipsLocked: true });
    return this.changes.change({ tags: request.tags, statement, alone });
  }

  private changeAlone(patch: Partial<E>, request: ChangeRequest<E>): Promise<E | null> {
    return this.cache.changing(request.tags, async (deadline) => {
      const [row] = await this.transaction.query(this.statementOf(patch, request, { deadline, origin: eventOrigin() }));
      if (!row) await deadline.expectNotPassed();
      return row ? this.toEntity(row) : null;
    });
  }

  private statementOf(
    patch: Partial<E>,
    { where, expected, deleted, event }: ChangeRequest<E>,
    more: Pick<ConditionalChange, 'deadline' | 'origin' | 'skipsLocked'>,
  ): pg.QueryConfig {
    const change = { patch, where, expected, deleted, event, ...more };
    return changeStatement(this.transaction.manager, this.entity, this.eventShape, change);
  }

  /** Soft-deletes a row, with the rules of `change`. */
  protected remove(request: ChangeRequest<E>): Promise<E> {
    return this.change({ deletedAt: () => 'CURRENT_TIMESTAMP' } as never, request);
  }

  protected restore(request: ChangeRequest<E>): Promise<E> {
    return this.change({ deletedAt: null } as never, { ...request, deleted: true });
  }

  /**
   * Permanently deletes the rows of the range that match `isOver`, SQL on the alias `old` with values from $4 on. Rows are
   * read by key, so each costs the same whether it matches or not. `among`: SQL that limits the range to rows of one index.
   * The statement uses an array: a join would read all matching rows of the table for each range.
   */
  protected async purgeRange(
    { after, below, limit }: KeyRange,
    isOver: string,
    values: readonly unknown[],
    among = 'true',
  ): Promise<Purged> {
    const table = this.table();
    const [row] = await this.transaction.query<Purged & Record<string, unknown>>({
      name: `${table}-purge`,
      text: `
        WITH batch AS (
          SELECT id FROM ${table} WHERE id > $1 AND id < $2 AND ${among} ORDER BY id LIMIT $3
        ), deleted_rows AS (
          DELETE FROM ${table} AS old WHERE old.id = ANY (ARRAY(SELECT id FROM batch)) AND (${isOver}) RETURNING old.id
        )
        SELECT max(id) AS last, (SELECT count(*) FROM deleted_rows)::integer AS deleted FROM batch`,
      values: [after, below, limit, ...values],
    });
    return row as Purged;
  }

  private get changes(): GatheredChanges<E> {
    return (this.gathered ??= new GatheredChanges(this.transaction, this.cache, (row) => this.toEntity(row)));
  }

  private get metadata(): EntityMetadata {
    return this.transaction.manager.connection.getMetadata(this.entity);
  }

  private table(): string {
    return this.metadata.tableName;
  }

  /** Runs `work` in a transaction that locks the owner's rows of this table against others, so that what it counts stays true. */
  protected lockingOwner<T>(ownerKey: string, work: () => Promise<T>): Promise<T> {
    const table = this.table();
    return this.transaction.runInTurn(`${table}:${ownerKey}`, async () => {
      await this.transaction.query({
        name: 'lock-owner',
        text: 'SELECT pg_advisory_xact_lock(hashtext($1), hashint8($2))',
        values: [table, ownerKey],
      });
      return work();
    });
  }

  /** Returns a keyset page. It starts behind the cursor's row in the index: all pages cost the same. Throws INVALID_CURSOR. */
  protected async page(
    query: PageQuery,
    request: PageRequest,
    sorts: Record<string, SortColumn<E>> = this.sorts,
  ): Promise<Page<E>> {
    const descending = request.sort.startsWith('-');
    const column = sorts[request.sort.replace(/^-/, '')];
    if (!column) throw new Error(`No sort column ${request.sort}. Add it to \`sorts\`, with an index.`);
    const scope = `${query.table}:${request.sort}`;
    if (request.cursor !== undefined) {
      const key = this.tools.cursors.open(scope, request.cursor);
      if (!key) throw HttpErrors.INVALID_CURSOR();
      query.where(`(${column.sql}, row.id) ${descending ? '<' : '>'} (:after::${column.type}, :afterId::bigint)`, {
        after: key[0],
        afterId: key[1],
      });
    }
    const direction = descending ? 'DESC' : 'ASC';
    const order = `${column.sql} ${direction}, row.id ${direction}`;
    const found = await this.transaction.query(query.statement(order, request.limit + 1));
    const items = fittingRows(found.slice(0, request.limit).map((row) => this.toEntity(row)));
    const last = found.length > items.length ? items.at(-1) : undefined;
    return { items, nextCursor: last ? this.tools.cursors.seal(scope, keyOf(column, last)) : null };
  }

  protected toEntity(row: ObjectLiteral): E {
    return toEntity(this.transaction.manager, this.entity, row);
  }
}

function matches<E>(row: E, where: Where<E>): boolean {
  return Object.entries(where).every(([property, value]) => row[property as keyof E] === value);
}

function keyOf<E extends BaseEntityCustom>(column: SortColumn<E>, row: E): CursorKey {
  const value = column.value(row);
  return [value instanceof Date ? value.toISOString() : value, row.id];
}
