// The named UPDATE of one row, generated from the metadata of its entity.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import type { ChangeDeadline } from '../../shared/cache/change-deadline.js';
import type { EventDefinition, RowChange } from '../../shared/events/event.js';
import { type EventOrigin, originAt } from '../../shared/events/record-events.js';
import { earlier, type EventShape, lockedRow, recordRows } from './event-of-row.js';
import type { ExpectedVersions } from './expected-versions.js';
import { columnsOf } from './to-entity.js';

export interface ConditionalChange {
  /** By property: the value to store, or a function that returns SQL for it. */
  patch: Readonly<Record<string, unknown>>;
  /** The row, by its UUID; the other members must be equal, too. */
  where: Readonly<Record<string, unknown>> & { uuid: string };
  expected?: ExpectedVersions | undefined;
  /** True: only a deleted row; default: only a row that is not deleted. */
  deleted?: boolean | undefined;
  /** PostgreSQL does not begin the change after it. */
  deadline: ChangeDeadline;
  /** Recorded in the same statement; null: the caller emits an event, or clients cannot notice the change. */
  event: EventDefinition<RowChange> | null;
  origin: EventOrigin;
  /** True: a locked row is not changed; default: the statement waits for it. */
  skipsLocked?: boolean;
}

/**
 * Returns the UPDATE of one row, which returns all its columns and records the event. `IS TRUE` keeps PostgreSQL from using the
 * owner's index: it finds the row by its UUID and only checks the rest. Otherwise it would read all rows of an owner that its
 * statistics do not know. Members are sorted, so that another order does not create another prepared statement.
 */
export function changeStatement<E extends ObjectLiteral>(
  manager: EntityManager,
  entity: EntityTarget<E>,
  shape: EventShape<E>,
  {
    patch,
    where: { uuid, ...scope },
    expected = null,
    deleted = false,
    deadline,
    event,
    origin,
    skipsLocked = false,
  }: ConditionalChange,
): pg.QueryConfig {
  const metadata = manager.connection.getMetadata(entity);
  const values: unknown[] = [];
  const place = (property: string, value: unknown): string => {
    const column = metadata.findColumnWithPropertyName(property)!;
    return `$${values.push(manager.connection.driver.preparePersistentValue(value, column))}`;
  };
  const name = (property: string): string => `"${metadata.findColumnWithPropertyName(property)!.databaseName}"`;

  // The UUID is $1: the subselect of the earlier values uses it, too.
  const conditions = [`uuid = ${place('uuid', uuid)}`, `deleted_at IS ${deleted ? 'NOT NULL' : 'NULL'}`];
  const given = Object.entries(patch)
    .filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const sets = given.map(([property, value]) => {
    const sql = typeof value === 'function' ? (value as () => string)() : place(property, value);
    return `${name(property)} = ${sql}`;
  });
  for (const [property, value] of Object.entries(scope))
    conditions.push(`(${name(property)} = ${place(property, value)}) IS TRUE`);
  if (expected)
    conditions.push(
      `(version = ANY ($${values.push(expected.versions)}::integer[])) = $${values.push(expected.isRequired)}`,
    );
  conditions.push(`clock_timestamp() < $${values.push(deadline.sql)}`);

  const stamps = 'version = version + 1, updated_at = CURRENT_TIMESTAMP';
  const columns = columnsOf(manager, entity, 'row');
  const changed = event ? shape.fields.filter((field) => patch[field] !== undefined) : [];
  const first = values.length + 1;
  if (event) values.push(...origin);
  const text = event
    ? `
      WITH changed AS (
        UPDATE ${metadata.tableName} AS row SET ${[...sets, stamps].join(', ')}
        FROM (${lockedRow(metadata, changed)} WHERE uuid = $1 FOR UPDATE${skipsLocked ? ' SKIP LOCKED' : ''}) AS old
        WHERE id = old_id AND ${conditions.join(' AND ')}
        RETURNING ${[columns, ...changed.map(earlier)].join(', ')}
      ), recorded AS (${recordRows(metadata, shape, event, { changed, from: 'changed AS row', origin: originAt(first) })}
      )
      SELECT ${columns} FROM changed AS row`
    : `UPDATE ${metadata.tableName} AS row SET ${[...sets, stamps].join(', ')} WHERE ${conditions.join(' AND ')} RETURNING ${columns}`;
  return { name: `${metadata.tableName}-change-${createHash('sha1').update(text).digest('base64url')}`, text, values };
}
