// Starts a temporary PostgreSQL (or uses TEST_DATABASE_URL) and creates a migrated template database before all suites.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { DatabaseSettings } from '../../dist/src/shared/database/database.settings.js';
import { loadConfig } from '../../dist/src/shared/config/app-config.js';
import { migrationOptions } from '../../dist/src/shared/database/database.options.js';
import { EmbeddedPostgres } from '../../dist/src/shared/database/embedded-postgres.js';
import { MigrationDataSource } from '../../dist/src/shared/database/migration-data-source.js';

export default async function globalSetup() {
  const given = process.env.TEST_DATABASE_URL;
  const server = given ? { url: given, stop: () => dropTemplate(given) } : await startThrowAway();
  globalThis.testServer = server;
  try {
    process.env.TEST_DATABASE_URL = server.url; // Jest passes the environment to its workers
    process.env.TEST_TEMPLATE = `holdfast_template_${process.pid}`; // two runs may share one server
    await makeTemplate(server.url);
  } catch (error) {
    await server.stop();
    throw error;
  }
}

async function startThrowAway() {
  const dataDir = await mkdtemp(join(tmpdir(), 'holdfast-test-'));
  const remove = async () => {
    const elsewhere = await readFile(join(dataDir, 'postgres.location'), 'utf8').catch(() => ''); // exists when run as root
    for (const folder of [dataDir, elsewhere.trim()].filter(Boolean))
      await rm(folder, { recursive: true, force: true });
  };
  try {
    const options = { dataDir, password: 'throw-away', database: 'test', durable: false, log: () => undefined };
    const postgres = await EmbeddedPostgres.own(options);
    return { url: postgres.url, stop: () => postgres.stop().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function makeTemplate(serverUrl) {
  await query(serverUrl, `CREATE DATABASE ${process.env.TEST_TEMPLATE}`);
  const url = new URL(serverUrl);
  url.pathname = process.env.TEST_TEMPLATE;
  const secret = 'x'.repeat(32);
  const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
  const config = loadConfig({ NODE_ENV: 'test', DATABASE_URL: url.href, ...secrets });
  const dataSource = new MigrationDataSource(migrationOptions(config.get(DatabaseSettings), url.href));
  await dataSource.initialize();
  try {
    await dataSource.runMigrations();
  } finally {
    await dataSource.destroy();
  }
}

function dropTemplate(serverUrl) {
  return query(serverUrl, `DROP DATABASE IF EXISTS ${process.env.TEST_TEMPLATE}`);
}

async function query(url, sql) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}
