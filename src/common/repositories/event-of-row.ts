// The SQL that records the event of a written row: the row as clients see it, and the earlier values of what changed.
import type { EntityMetadata, ObjectLiteral } from 'typeorm';
import type { EventDefinition, RowChange } from '../../shared/events/event.js';
import { type OriginSource, recordEvents } from '../../shared/events/record-events.js';

/** The content of the events of a table. */
export interface EventShape<E> {
  /** Property with the internal key of the user whose log has the events; null: no user. */
  owner: (keyof E & string) | null;
  /** Properties that clients may see; id, times and version are added. Never a secret: events stay for a year in the audit log. */
  fields: ReadonlyArray<keyof E & string>;
}

/** For tables whose writes record no events of their rows. */
export const NO_EVENTS = { owner: null, fields: [] } as const;

/** Members of every event, by their name in it: those that every entity has. */
const COMMON = { id: 'uuid', createdAt: 'createdAt', updatedAt: 'updatedAt', version: 'version' } as const;

/** Returns the SELECT of a row's key and the earlier values of the fields, for a condition that the caller appends. */
export function lockedRow(metadata: EntityMetadata, fields: readonly string[]): string {
  const columns = fields.map((field) => `${columnOf(metadata, field)} AS "before_${field}"`);
  return `SELECT ${['id AS old_id', ...columns].join(', ')} FROM ${metadata.tableName}`;
}

export const earlier = (field: string): string => `"before_${field}"`;

/**
 * `from`: the FROM clause; its rows have the alias `row`, and a column `before_x` for each field x in `changed`.
 */
export function recordRows<E extends ObjectLiteral>(
  metadata: EntityMetadata,
  { owner, fields }: EventShape<E>,
  event: EventDefinition<RowChange>,
  { changed, from, origin }: { changed: readonly string[]; from: string; origin: OriginSource },
): string {
  const now = (field: string): string => json(metadata, field, `row.${columnOf(metadata, field)}`);
  const members = Object.entries(COMMON).map(([name, field]) => `'${name}', ${now(field)}`);
  for (const field of fields) members.push(`'${publicName(field)}', ${now(field)}`);
  const differing = changed.map((field) => {
    const before = `row.${earlier(field)}`;
    const differs = `${before} IS DISTINCT FROM row.${columnOf(metadata, field)}`;
    return `('${publicName(field)}', to_json(${json(metadata, field, before)}), ${differs})`;
  });
  const before =
    differing.length === 0
      ? `'{}'::json`
      : `(SELECT coalesce(json_object_agg(name, value), '{}') FROM (VALUES ${differing.join(', ')}) AS field (name, value, differs) WHERE differs)`;
  return recordEvents(event, {
    owner: owner === null ? 'NULL::bigint' : `row.${columnOf(metadata, owner)}`,
    subject: 'row.uuid',
    data: `json_build_object('after', json_build_object(${members.join(', ')}), 'before', ${before})`,
    from,
    origin,
  });
}

/** Answers call the UUID of another object `…Id`. */
function publicName(field: string): string {
  return field.replace(/Uuid$/, 'Id');
}

function columnOf(metadata: EntityMetadata, property: string): string {
  const column = metadata.findColumnWithPropertyName(property);
  if (!column) throw new Error(`${metadata.name} has no property ${property}.`);
  return `"${column.databaseName}"`;
}

/** Times as answers have them: UTC with milliseconds. */
function json(metadata: EntityMetadata, property: string, sql: string): string {
  const isTime = metadata.findColumnWithPropertyName(property)?.type === 'timestamptz';
  return isTime ? `to_char(${sql} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')` : sql;
}
