// A row as SQL returned it, by column names, as an entity.
import type { EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';

/**
 * The columns of an entity for a named statement, each with the alias before it. Never `*`: a prepared statement breaks
 * when a migration adds a column under a running server.
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
