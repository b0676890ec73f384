// Opens the PostgreSQL of this process: the configured server, or the embedded one, which it starts.
import type { AppConfig } from '../config/app-config.js';
import { EmbeddedSettings } from '../config/embedded.settings.js';
import { ProcessSettings } from '../config/process.settings.js';
import { DatabaseSettings } from './database.settings.js';
import { checkDatabase } from './database-check.js';
import { EmbeddedPostgres } from './embedded-postgres.js';

export interface Database {
  readonly url: string;
  /** Stops the embedded PostgreSQL if this process started it; does nothing for a configured server. */
  stop(): Promise<void>;
}

/** In production, how long our server waits for a database that is starting at the same time. */
const MAX_WAIT_SECONDS = 10;

/**
 * Returns the database. `own`: for the server, the single owner of DATA_DIR. `join`: for commands, which use a running
 * embedded PostgreSQL if there is one. Throws EmbeddedPostgresError or DatabaseRefusedError with a one-line message.
 */
export async function openDatabase(
  config: AppConfig,
  as: 'own' | 'join',
  log: (line: string) => void,
): Promise<Database> {
  const { url, name, embeddedPassword } = config.get(DatabaseSettings);
  if (url !== undefined) {
    await checkDatabase(
      config,
      url,
      as === 'own' && config.get(ProcessSettings).environment === 'production' ? MAX_WAIT_SECONDS : 0,
    );
    return { url, stop: () => Promise.resolve() };
  }
  return EmbeddedPostgres[as]({
    dataDir: config.get(EmbeddedSettings).dataDir,
    password: embeddedPassword,
    database: name,
    log,
  });
}
