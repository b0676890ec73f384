// The connection options for PostgreSQL: short time limits and a pool for requests, no statement limit for migrations.
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import type { DataSourceOptions } from 'typeorm';
import type { DatabaseSettings } from './database.settings.js';
import { CancellableClient } from './cancellable-client.js';

/** The folder with src/ and migrations/: the repository, or dist/ in a build. */
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const EXTENSION = existsSync(join(ROOT, 'src/main.ts')) ? 'ts' : 'js';

export const MIGRATIONS_DIR = join(ROOT, 'migrations');

const SSL = { off: false, require: { rejectUnauthorized: false }, verify: true } as const;

function connection(settings: DatabaseSettings, url: string): DataSourceOptions & { type: 'postgres' } {
  return {
    type: 'postgres',
    url,
    ssl: SSL[settings.ssl],
    applicationName: 'holdfast',
    connectTimeoutMS: 2_000,
    parseInt8: false, // 64-bit numbers stay strings
    synchronize: false,
    logging: false, // statements contain personal data; the problem filter logs failures
  };
}

/** Options for a single connection without TypeORM. */
export function clientOptions(settings: DatabaseSettings, url: string): pg.ClientConfig {
  return {
    connectionString: url,
    ssl: SSL[settings.ssl],
    application_name: 'holdfast',
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
  };
}

/** Options for the server: every wait is limited, so that a slow database fails single requests, never the process. */
export function servingOptions(settings: DatabaseSettings, url: string): DataSourceOptions {
  return {
    ...connection(settings, url),
    poolSize: settings.poolSize,
    extra: {
      Client: CancellableClient, // the pool creates its connections with this class
      statement_timeout: 5_000,
      lock_timeout: 2_000,
      idle_in_transaction_session_timeout: 10_000,
      query_timeout: 7_000, // client side; longer than statement_timeout, so that the server gives up first
      keepAlive: true,
      keepAliveInitialDelayMillis: 5_000,
      maxLifetimeSeconds: 900,
      options: '-c timezone=UTC',
    },
  };
}

/**
 * Options for migrations and commands: entities and migrations by file name, a limited wait for locks, no limit on statements.
 */
export function migrationOptions(settings: DatabaseSettings, url: string): DataSourceOptions {
  return {
    ...connection(settings, url),
    poolSize: 2,
    entities: [join(ROOT, `src/**/*.entity.${EXTENSION}`)],
    migrations: [join(MIGRATIONS_DIR, `*.${EXTENSION}`)],
    migrationsTableName: 'migration',
    migrationsTransactionMode: 'each',
    extra: { lock_timeout: 10_000, options: '-c timezone=UTC' },
  };
}
