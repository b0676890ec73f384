// Which PostgreSQL this process talks to: the configured one, or the embedded one, started here.
import type { AppConfig } from '../../config/app-config.js';
import { EmbeddedPostgres } from './embedded-postgres.js';

export interface Database {
  readonly url: string;
  /** Stops what was started here; nothing for a configured server. */
  stop(): Promise<void>;
}

/**
 * `own`: for the server, the single owner of DATA_DIR. `join`: for commands, which use the running one where there is one.
 * Throws EmbeddedPostgresError with one clear line.
 */
export async function openDatabase(
  config: AppConfig,
  as: 'own' | 'join',
  log: (line: string) => void,
): Promise<Database> {
  if (config.database.url !== undefined) return { url: config.database.url, stop: () => Promise.resolve() };
  return EmbeddedPostgres[as]({
    dataDir: config.dataDir,
    password: config.database.embeddedPassword,
    database: config.database.name,
    log,
  });
}
