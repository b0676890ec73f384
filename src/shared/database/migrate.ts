// Applies all pending migrations to a database.
import type { AppConfig } from '../config/app-config.js';
import { DatabaseSettings } from './database.settings.js';
import { migrationOptions } from './database.options.js';
import { MigrationDataSource } from './migration-data-source.js';

/** Returns the names of the migrations that it applied. Waits while another process migrates. */
export async function migrate(config: AppConfig, url: string): Promise<string[]> {
  const dataSource = await new MigrationDataSource(migrationOptions(config.get(DatabaseSettings), url)).initialize();
  try {
    return (await dataSource.runMigrations()).map((migration) => migration.name);
  } finally {
    await dataSource.destroy();
  }
}
