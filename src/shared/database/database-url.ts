// Which PostgreSQL this process talks to: the configured one, or the embedded one, started here.
import type { AppConfig } from '../config/app-config.js';
import { checkDatabase } from './database-check.js';
import { EmbeddedPostgres } from './embedded-postgres.js';

export interface Database {
  readonly url: string;
  /** Stops what was started here; nothing for a configured server. */
  stop(): Promise<void>;
}

/** How long a server of ours waits in production for a database that is being started beside it. */
const PATIENCE_SECONDS = 10;

/**
 * `own`: for the server, the single owner of DATA_DIR. `join`: for commands, which use the running one where there is one.
 * Throws EmbeddedPostgresError or DatabaseRefusedError with one clear line.
 */
export async function openDatabase(
  config: AppConfig,
  as: 'own' | 'join',
  log: (line: string) => void,
): Promise<Database> {
  const { url } = config.database;
  if (url !== undefined) {
    await checkDatabase(config, url, as === 'own' && config.environment === 'production' ? PATIENCE_SECONDS : 0);
    return { url, stop: () => Promise.resolve() };
  }
  return EmbeddedPostgres[as]({
    dataDir: config.dataDir,
    password: config.database.embeddedPassword,
    database: config.database.name,
    log,
  });
}
