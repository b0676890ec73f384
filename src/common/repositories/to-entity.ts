// Converts a row of an SQL result, by column names, to an entity.
import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';

/**
 * Returns the columns of an entity for a named statement, each with the alias before it. No statement
 * may return `*`: its result would change when a migration adds a column while the server runs.
 */
export function columnsOf<E extends ObjectLiteral>(
  manager: EntityManager,
  target: EntityTarget<E>,
  alias: string,
): string {
  return manager.connection
    .getMetadata(target)
    .columns.map((column) => `${alias}."${column.databaseName}"`)
    .join(', ');
}

/** For named statements and RETURNING, which bypass TypeORM's own mapping. */
export function toEntity<E extends ObjectLiteral>(
  manager: EntityManager,
  target: EntityTarget<E>,
  row: ObjectLiteral,
): E {
  const metadata = manager.connection.getMetadata(target);
  const entity = metadata.create() as E;
  for (const column of metadata.columns) {
    column.setEntityValue(entity, manager.connection.driver.prepareHydratedValue(row[column.databaseName], column));
  }
  return entity;
}
