// The data source for the TypeORM CLI: `npm run migration:generate|create|run|revert|show`.
import type { Migration } from 'typeorm';
import { loadConfig } from '../config/app-config.js';
import { migrationOptions } from './database.options.js';
import { DatabaseSettings } from './database.settings.js';
import { type Database, openDatabase } from './database-url.js';
import { MigrationDataSource } from './migration-data-source.js';
import { inOneLine } from './start-failure.js';

let database: Database | undefined;

/** Ends the process with a one-line message when the operator can fix the failure; the CLI would print a stack. */
async function orEnd<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const line = inOneLine(error);
    if (line === undefined) throw error;
    console.error(line);
    await database?.stop();
    process.exit(1);
  }
}

class CliDataSource extends MigrationDataSource {
  override runMigrations(options?: Parameters<MigrationDataSource['runMigrations']>[0]): Promise<Migration[]> {
    return orEnd(() => super.runMigrations(options));
  }

  /** The CLI calls this last: it also stops the embedded PostgreSQL if this command started it. */
  override async destroy(): Promise<void> {
    await super.destroy();
    await database?.stop();
  }
}

export default await orEnd(async () => {
  const config = loadConfig();
  database = await openDatabase(config, 'join', (line) => console.log(line));
  return new CliDataSource(migrationOptions(config.get(DatabaseSettings), database.url));
});
