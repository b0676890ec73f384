// Starts the server step by step and logs the duration of each step.
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { prepareDocs } from './app.docs.js';
import { createApp } from './app.setup.js';
import { DocsSettings } from './common/http/docs/docs.settings.js';
import { Connections } from './common/http/hooks/connections.js';
import { HttpSettings } from './common/http/http.settings.js';
import { DEMO_EMAILS, describeAccounts, seedDemoData } from './seed.js';
import { type AppConfig, loadConfig } from './shared/config/app-config.js';
import { ConfigError } from './shared/config/config-error.js';
import { ProcessSettings } from './shared/config/process.settings.js';
import { DatabaseSettings } from './shared/database/database.settings.js';
import { migrate } from './shared/database/migrate.js';
import { openDatabase } from './shared/database/database-url.js';
import { inOneLine } from './shared/database/start-failure.js';
import { Lifecycle } from './shared/lifecycle/lifecycle.js';
import { createLogger, flush, type Logger } from './shared/logging/logger.js';
import { LoggingSettings } from './shared/logging/logging.settings.js';
import { type Opened, stopOnSignal } from './shutdown.js';

/** A failure that the user can fix: shown as one line without a stack. */
class StartError extends Error {}

async function start(config: AppConfig, logger: Logger): Promise<void> {
  const opened: Opened = {};
  stopOnSignal(config, logger, opened);
  try {
    await serve(config, logger, opened);
  } catch (error) {
    const line = error instanceof StartError ? error.message : inOneLine(error);
    if (line === undefined) logger.fatal({ err: error }, 'Failed to start the server');
    else logger.fatal(line);
    await opened.app?.close().catch(() => undefined);
    await opened.database?.stop();
    await flush(logger);
    process.exit(1);
  }
}

async function serve(config: AppConfig, logger: Logger, opened: Opened): Promise<void> {
  const { environment, role, version } = config.get(ProcessSettings);
  const { hasDemoAccounts } = config.get(DatabaseSettings);
  for (const line of config.warnings()) logger.warn(line);
  const timed = <T>(what: string, work: () => Promise<T>): Promise<T> => step(logger, what, work);
  opened.database = await openDatabase(config, 'own', (line) => logger.info(line));
  const { url } = opened.database;
  if (environment !== 'production') {
    const applied = await timed('Migrations checked', () => migrate(config, url));
    for (const name of applied) logger.info(`Migration ${name}: applied`);
  }
  const app = (opened.app = await timed('Application built', () => createApp(config, url, logger)));
  opened.connections = new Connections(app.getHttpAdapter().getInstance());
  await prepareDocs(app, config);
  await listen(app, config);
  await app.startAllMicroservices();
  const hasVisitors = role !== 'worker';
  const demo =
    hasDemoAccounts && hasVisitors
      ? await timed('Demo data checked', () => seedDemoData(app, { newPasswords: false }))
      : [];
  if (environment === 'development' && !hasDemoAccounts)
    logger.info(
      'No demo accounts: the database is not the embedded one and NODE_ENV is not set. ' +
        'NODE_ENV=development makes them; npm run user:create-admin makes an administrator.',
    );
  app.get(Lifecycle).serve();
  const origin = (await app.getUrl()).replace('[::1]', 'localhost').replace('127.0.0.1', 'localhost');
  const roleNote = role === 'all' ? '' : ` (${role})`;
  logger.info(`Holdfast ${version}${roleNote} serves on ${origin} after ${process.uptime().toFixed(1)} s`);
  if (!hasVisitors) return;
  if (config.get(LoggingSettings).format === 'pretty' || demo.length > 0)
    process.stdout.write(welcome(origin, demo.length > 0 ? describeAccounts(demo) : null, config));
}

async function listen(app: NestFastifyApplication, config: AppConfig): Promise<void> {
  const { host, port } = config.get(HttpSettings);
  await app.listen(port, host).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EADDRINUSE')
      throw new StartError(
        `Port ${port} is in use by another program. Stop it, or choose another: PORT=${port + 1} npm start`,
      );
    if (error.code === 'EACCES')
      throw new StartError(
        `Port ${port} needs more rights than this user has. Choose one above 1023: PORT=3000 npm start`,
      );
    throw error;
  });
}

async function step<T>(logger: Logger, what: string, work: () => Promise<T>): Promise<T> {
  const began = performance.now();
  const result = await work();
  logger.info(`${what} in ${Math.round(performance.now() - began)} ms`);
  return result;
}

/** Returns the last lines of a start: the addresses and how to log in. */
function welcome(origin: string, accounts: string | null, config: AppConfig): string {
  const login =
    accounts !== null
      ? `  Demo accounts, shown this once (new passwords: npm run db:seed -- --new-passwords):\n${accounts}`
      : config.get(DatabaseSettings).hasDemoAccounts
        ? `  Demo accounts: ${DEMO_EMAILS.join(', ')} (forgot the passwords? npm run db:seed -- --new-passwords)\n`
        : '';
  const docs = config.get(DocsSettings).audience === 'off' ? '' : `  Swagger UI: ${origin}/docs\n`;
  return `\n${login}${docs}  Log in:     POST ${origin}/api/auth/login {"email", "password"}, then Authorize with the accessToken\n\n`;
}

function readConfig(): AppConfig {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

const config = readConfig();
await start(config, createLogger(config));
