// Commands for developers and operators: `npm run db:seed`, `db:reset`, `user:create-admin`, `audit:verify`, `openapi`, `env-example`.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AuditSettings } from './audit/audit.settings.js';
import { CheckpointFile } from './audit/seals/checkpoint-file.js';
import { AuditVerifier, describeVerification } from './audit/seals/audit-verifier.js';
import { AppModule } from './app.module.js';
import { createOpenApi, printOpenApi } from './app.openapi.js';
import { createApp } from './app.setup.js';
import { createAdmin, CreateAdminError } from './create-admin.js';
import { describeAccounts, seedDemoData } from './seed.js';
import { type AppConfig, loadConfig } from './shared/config/app-config.js';
import { printEnvExample } from './shared/config/env-example.js';
import { ProcessSettings } from './shared/config/process.settings.js';
import { DatabaseSettings } from './shared/database/database.settings.js';
import { AppError } from './shared/libs/app-error.js';
import { migrationOptions } from './shared/database/database.options.js';
import { openDatabase } from './shared/database/database-url.js';
import { migrate } from './shared/database/migrate.js';
import { inOneLine } from './shared/database/start-failure.js';
import { createLogger, NestLogger } from './shared/logging/logger.js';
import { ask, askPassword, isTerminal, readPassword, TerminalError } from './terminal.js';

/** A refusal, shown as one line. */
class Refusal extends Error {}

interface Command {
  readonly config: AppConfig;
  readonly options: { yes: boolean; 'new-passwords': boolean; another: boolean };
  /** The arguments after the command's name. */
  readonly operands: readonly string[];
}

const COMMANDS: Record<string, (command: Command) => Promise<void>> = {
  async seed({ config, options }) {
    refuseInProduction(config, 'Demo accounts have no place in production.');
    await withDatabase(config, async (url) => {
      await migrate(config, url);
      await seed(config, url, options['new-passwords']);
    });
  },

  async reset({ config, options }) {
    refuseInProduction(config, 'It would delete everything.');
    await withDatabase(config, async (url) => {
      const { pathname, host } = new URL(url);
      if (!options.yes && !(await confirm(`Delete everything in ${pathname.slice(1)} on ${host}?`)))
        throw new Refusal('Nothing was deleted.');
      const dataSource = await new DataSource(migrationOptions(config.get(DatabaseSettings), url)).initialize();
      await dataSource.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public').finally(() => dataSource.destroy());
      await new CheckpointFile(config.get(AuditSettings)).remove(decodeURIComponent(pathname.slice(1)));
      console.log(`Deleted everything; ${(await migrate(config, url)).length} migrations applied.`);
      await seed(config, url, false);
    });
  },

  /** Asks before it opens the database, so that a server that starts meanwhile does not wait for the answer. */
  async 'create-admin'({ config, options, operands }) {
    const email = operands[0] ?? (isTerminal() ? await ask('E-mail of the administrator: ') : null);
    if (email === null) throw new Refusal('Whose account? npm run user:create-admin -- <e-mail>');
    const password = await (isTerminal() ? askPassword() : readPassword());
    await withDatabase(config, async (url) => {
      if (config.get(ProcessSettings).environment !== 'production') await migrate(config, url);
      const admin = { email, password, another: options.another };
      console.log(`Created the administrator ${await withApp(config, url, (app) => createAdmin(app, admin))}.`);
    });
  },

  async 'audit-verify'({ config }) {
    await withDatabase(config, async (url) => {
      const found = await withApp(config, url, (app) => app.get(AuditVerifier).verify());
      console.log(describeVerification(found));
      if (found.faults.length > 0) process.exitCode = 1;
    });
  },

  async openapi({ config }) {
    await withDatabase(config, async (url) => {
      const app = await createApp(config, url, createLogger(config));
      await app.init();
      writeFileSync('openapi.json', `${printOpenApi(createOpenApi(app, config.get(ProcessSettings).version))}\n`);
      await app.close();
      console.log('Written: openapi.json');
    });
  },

  /** Prints all declared settings: `AppModule` imports them. */
  async 'env-example'() {
    writeFileSync('.env.example', printEnvExample());
    console.log('Written: .env.example');
  },
};

async function withDatabase(config: AppConfig, work: (url: string) => Promise<void>): Promise<void> {
  const database = await openDatabase(config, 'join', (line) => console.log(line));
  await work(database.url).finally(() => database.stop());
}

/** Runs the work with all services but without a server. */
async function withApp<T>(
  config: AppConfig,
  url: string,
  work: (app: INestApplicationContext) => Promise<T>,
): Promise<T> {
  const logger = createLogger(config);
  const app = await NestFactory.createApplicationContext(AppModule.for(config, url, logger), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  return work(app).finally(() => app.close());
}

async function seed(config: AppConfig, url: string, newPasswords: boolean): Promise<void> {
  const made = await withApp(config, url, (app) => seedDemoData(app, { newPasswords }));
  console.log(
    made.length > 0
      ? `Demo accounts, shown this once:\n${describeAccounts(made)}`
      : 'The demo accounts exist. New passwords: npm run db:seed -- --new-passwords',
  );
}

function refuseInProduction(config: AppConfig, why: string): void {
  if (config.get(ProcessSettings).environment === 'production')
    throw new Refusal(`Refused with NODE_ENV=production. ${why}`);
}

async function confirm(question: string): Promise<boolean> {
  if (!isTerminal())
    throw new Refusal('There is no terminal for a question. Add --yes to delete everything without one.');
  return /^y(es)?$/i.test((await ask(`${question} [y/N] `)).trim());
}

async function run(): Promise<void> {
  const flag = { type: 'boolean', default: false } as const;
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { yes: flag, 'new-passwords': flag, another: flag },
  });
  const [name = '', ...operands] = positionals;
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Refusal(`Which command? One of: ${Object.keys(COMMANDS).join(', ')}.`);
  if (operands.length > (name === 'create-admin' ? 1 : 0))
    throw new Refusal(
      `${name} has too many arguments. A password is never one: it is asked for, or read from standard input.`,
    );
  await command({ config: loadConfig(), options: values, operands });
}

try {
  await run();
} catch (error) {
  const isPlain =
    error instanceof Refusal ||
    error instanceof TerminalError ||
    error instanceof CreateAdminError ||
    error instanceof AppError ||
    (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(isPlain ? (error as Error).message : (inOneLine(error) ?? error));
  process.exitCode = 1;
}
