// Commands for developers and operators: seed, reset, openapi. Run through `yarn db:seed`, `db:reset`, `openapi`.
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { NestFactory } from '@nestjs/core';
import { DataSource } from 'typeorm';
import { AppModule } from './app.module.js';
import { createOpenApi, printOpenApi } from './app.openapi.js';
import { createApp } from './app.setup.js';
import { describeAccounts, seedDemoData } from './seed.js';
import { type AppConfig, loadConfig } from './shared/config/app-config.js';
import { migrationOptions } from './shared/services/database/database.options.js';
import { openDatabase } from './shared/services/database/database-url.js';
import { migrate } from './shared/services/database/migrate.js';
import { inOneLine } from './shared/services/database/start-failure.js';
import { createLogger, NestLogger } from './shared/services/logging/logger.js';

/** A refusal in one line. */
class Refusal extends Error {}

interface Command {
  readonly config: AppConfig;
  readonly url: string;
  readonly options: { yes: boolean; 'new-passwords': boolean };
}

const COMMANDS: Record<string, (command: Command) => Promise<void>> = {
  async seed({ config, url, options }) {
    refuseInProduction(config, 'Demo accounts have no place in production.');
    await migrate(config, url);
    await seed(config, url, options['new-passwords']);
  },

  async reset({ config, url, options }) {
    refuseInProduction(config, 'It would delete everything.');
    const { pathname, host } = new URL(url);
    if (!options.yes && !(await confirm(`Delete everything in ${pathname.slice(1)} on ${host}?`)))
      throw new Refusal('Nothing was deleted.');
    const dataSource = await new DataSource(migrationOptions(config, url)).initialize();
    await dataSource.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public').finally(() => dataSource.destroy());
    console.log(`Deleted everything; ${(await migrate(config, url)).length} migrations applied.`);
    await seed(config, url, false);
  },

  async openapi({ config, url }) {
    const app = await createApp(config, url, createLogger(config));
    await app.init();
    writeFileSync('openapi.json', `${printOpenApi(createOpenApi(app, config.version))}\n`);
    await app.close();
    console.log('Written: openapi.json');
  },
};

async function seed(config: AppConfig, url: string, newPasswords: boolean): Promise<void> {
  const logger = createLogger(config);
  const app = await NestFactory.createApplicationContext(AppModule.for(config, url, logger), {
    logger: new NestLogger(logger),
    abortOnError: false,
  });
  const made = await seedDemoData(app, { newPasswords }).finally(() => app.close());
  console.log(
    made.length > 0
      ? `Demo accounts, shown this once:\n${describeAccounts(made)}`
      : 'The demo accounts exist. New passwords: npm run db:seed -- --new-passwords',
  );
}

function refuseInProduction(config: AppConfig, why: string): void {
  if (config.environment === 'production') throw new Refusal(`Refused with NODE_ENV=production. ${why}`);
}

async function confirm(question: string): Promise<boolean> {
  if (!process.stdin.isTTY)
    throw new Refusal('Nobody is there to ask. Say --yes to delete everything without a question.');
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question(`${question} [y/N] `).finally(() => terminal.close());
  return /^y(es)?$/i.test(answer.trim());
}

async function run(): Promise<void> {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { yes: { type: 'boolean', default: false }, 'new-passwords': { type: 'boolean', default: false } },
  });
  const name = positionals[0] ?? '';
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Refusal(`Which command? One of: ${Object.keys(COMMANDS).join(', ')}.`);
  const config = loadConfig();
  const database = await openDatabase(config, 'join', (line) => console.log(line));
  await command({ config, url: database.url, options: values }).finally(() => database.stop());
}

try {
  await run();
} catch (error) {
  const isPlain = error instanceof Refusal || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(isPlain ? (error as Error).message : (inOneLine(error) ?? error));
  process.exitCode = 1;
}
