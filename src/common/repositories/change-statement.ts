// The named UPDATE of one row, generated from the metadata of its entity.
import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import type { ExpectedVersions } from './expected-versions.js';
import { columnsOf } from './to-entity.js';

export interface RowChange {
  /** By property: the value to store, or a function that returns SQL for it. */
  patch: Readonly<Record<string, unknown>>;
  /** The row, by its UUID; the other members must be equal, too. */
  where: Readonly<Record<string, unknown>> & { uuid: string };
  expected?: ExpectedVersions | undefined;
  /** True: only a deleted row; default: only a row that is not deleted. */
  deleted?: boolean | undefined;
}

/**
 * Returns `UPDATE … RETURNING` of all columns. The row is found by its UUID alone: `IS TRUE` keeps PostgreSQL from reading an
 * index of the owner instead, which it prefers for an owner that its statistics do not know, and then filters all the
 * owner's rows. The members are sorted: a connection keeps each named statement, so that the order in which a client sends
 * members must not make one more.
 */
export function changeStatement<E extends ObjectLiteral>(
  manager: EntityManager,
  entity: EntityTarget<E>,
  { patch, where: { uuid, ...scope }, expected = null, deleted = false }: RowChange,
): pg.QueryConfig {
  const metadata = manager.connection.getMetadata(entity);
  const values: unknown[] = [];
  const place = (property: string, value: unknown): string => {
    const column = metadata.findColumnWithPropertyName(property)!;
    return `$${values.push(manager.connection.driver.preparePersistentValue(value, column))}`;
  };
  const name = (property: string): string => `"${metadata.findColumnWithPropertyName(property)!.databaseName}"`;

  const given = Object.entries(patch)
    .filter(([, value]) => value !== undefined)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  const sets = given.map(([property, value]) => {
    const sql = typeof value === 'function' ? (value as () => string)() : place(property, value);
    return `${name(property)} = ${sql}`;
  });
  const conditions = [`uuid = ${place('uuid', uuid)}`, `deleted_at IS ${deleted ? 'NOT NULL' : 'NULL'}`];
  for (const [property, value] of Object.entries(scope))
    conditions.push(`(${name(property)} = ${place(property, value)}) IS TRUE`);
  if (expected)
    conditions.push(
      `(version = ANY ($${values.push(expected.versions)}::integer[])) = $${values.push(expected.isRequired)}`,
    );

  const stamps = 'version = version + 1, updated_at = CURRENT_TIMESTAMP';
  const returned = columnsOf(manager, entity, 'row');
  const text = `UPDATE ${metadata.tableName} AS row SET ${[...sets, stamps].join(', ')} WHERE ${conditions.join(' AND ')} RETURNING ${returned}`;
  return { name: `${metadata.tableName}-change-${createHash('sha1').update(text).digest('base64url')}`, text, values };
}
