// Brings a database to the newest migration.
import type { AppConfig } from '../config/app-config.js';
import { migrationOptions } from './database.options.js';
import { MigrationDataSource } from './migration-data-source.js';

/** Returns the names of the migrations that were applied now. Waits for another process that is at it. */
export async function migrate(config: AppConfig, url: string): Promise<string[]> {
  const dataSource = await new MigrationDataSource(migrationOptions(config, url)).initialize();
  try {
    return (await dataSource.runMigrations()).map((migration) => migration.name);
  } finally {
    await dataSource.destroy();
  }
}
