// What the TypeORM CLI loads: `yarn migration:generate|create|run|revert|show`.
import { loadConfig } from '../../config/app-config.js';
import { migrationOptions } from './database.options.js';
import { openDatabase } from './database-url.js';
import { MigrationDataSource } from './migration-data-source.js';

const config = loadConfig();
const database = await openDatabase(config, 'join', (line) => console.log(line));

class CliDataSource extends MigrationDataSource {
  /** The CLI's last call: also ends the embedded PostgreSQL, if it was started for this command. */
  override async destroy(): Promise<void> {
    await super.destroy();
    await database.stop();
  }
}

export default new CliDataSource(migrationOptions(config, database.url));
