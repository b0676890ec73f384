// The migrations: they match the entities, run up and down, and are applied once by any number of processes.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { migrationOptions } from '../../src/shared/database/database.options.js';
import { MigrationDataSource } from '../../src/shared/database/migration-data-source.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { migrate } from '../support/engines/migrate.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

/** Migration files, oldest first. */
const FILES = readdirSync('migrations').sort();
const ENTITIES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.entity.ts'))
  .map((path) => `src/${path}`);

let database: ClonedDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

const empty = () => client.query('DROP SCHEMA public CASCADE; CREATE SCHEMA public');

async function lines(sql: string): Promise<string[]> {
  return (await client.query<{ line: string }>(sql)).rows.map(({ line }) => line);
}

const applied = () => lines('SELECT name AS line FROM migration ORDER BY id');

/** Returns the schema without the migrations table, one line per object. */
async function schema(): Promise<string[]> {
  return [
    ...(await lines(`
      SELECT concat_ws(' ', 'column', table_name, column_name, udt_name, character_maximum_length, datetime_precision, is_nullable, column_default) AS line
      FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'migration' ORDER BY 1`)),
    ...(await lines(`
      SELECT indexdef AS line FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'migration' ORDER BY 1`)),
    ...(await lines(`
      SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) AS line
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid <> 'migration'::regclass ORDER BY 1`)),
    ...(await lines(`
      SELECT concat_ws(' ', 'type', typname, (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid)) AS line
      FROM pg_type t WHERE typnamespace = 'public'::regnamespace AND typtype IN ('e', 'd') ORDER BY 1`)),
    ...(await lines(`
      SELECT concat_ws(' ', 'function', proname) AS line FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`)),
    ...(await lines(`
      SELECT concat_ws(' ', relkind, relname) AS line FROM pg_class
      WHERE relnamespace = 'public'::regnamespace AND relkind IN ('S', 'v', 'm') AND relname <> 'migration_id_seq' ORDER BY 1`)),
  ];
}

it('addresses and usernames are unique among accounts that are not deleted; usernames ignore case', async () => {
  const indexes = await lines(`
    SELECT indexdef AS line FROM pg_indexes WHERE tablename = 'users' AND indexname IN ('users_email_key', 'users_username_key') ORDER BY 1`);
  expect(indexes).toEqual([
    'CREATE UNIQUE INDEX users_email_key ON public.users USING btree (email) WHERE (deleted_at IS NULL)',
    'CREATE UNIQUE INDEX users_username_key ON public.users USING btree (lower((username)::text)) WHERE (deleted_at IS NULL)',
  ]);
});

type Class = new () => object;

async function classesIn(paths: string[]): Promise<Class[]> {
  const modules: object[] = [];
  for (const path of paths) modules.push((await import(join('../..', path.replace(/ts$/, 'js')))) as object);
  return modules
    .flatMap((module) => Object.values(module) as unknown[])
    .filter((member) => typeof member === 'function') as Class[];
}

describe('the migrations in one process', () => {
  let dataSource: MigrationDataSource;

  beforeAll(async () => {
    const options = migrationOptions(testConfig(database.url).get(DatabaseSettings), database.url);
    const migrations = FILES.map((file) => `migrations/${file}`);
    // A load by name would bypass Jest, which compiles them.
    dataSource = await new MigrationDataSource({
      ...options,
      entities: await classesIn(ENTITIES),
      migrations: await classesIn(migrations),
    }).initialize();
  });
  afterAll(() => dataSource.destroy());

  it('are all applied to the template database, in their order', async () => {
    expect(dataSource.migrations).toHaveLength(FILES.length);
    expect((await applied()).map((name) => name.slice(-13))).toEqual(FILES.map((file) => file.slice(0, 13)));
  });

  it('create the schema of the entities: TypeORM has nothing to generate', async () => {
    const declared = ENTITIES.flatMap((path) => /@Entity\('(\w+)'\)/.exec(readFileSync(path, 'utf8'))?.[1] ?? []);
    expect(declared.length).toBeGreaterThanOrEqual(9);
    expect(dataSource.entityMetadatas.map(({ tableName }) => tableName).sort()).toEqual(declared.sort());
    const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
    expect(upQueries.map(({ query }) => query)).toEqual([]);
  });

  it('are reported as different when a column, an index, a length or a default differs', async () => {
    for (const change of [
      'ALTER TABLE tasks DROP COLUMN due_at CASCADE',
      'ALTER TABLE tasks ADD COLUMN extra integer',
      'DROP INDEX tasks_created',
      'ALTER TABLE users ALTER COLUMN username TYPE varchar(60)',
      'ALTER TABLE users ALTER COLUMN email SET NOT NULL',
      'ALTER TABLE tasks ALTER COLUMN priority SET DEFAULT 4',
      'ALTER TABLE tasks DROP CONSTRAINT tasks_owner',
    ]) {
      await client.query(change);
      const { upQueries } = await dataSource.driver.createSchemaBuilder().log();
      expect([change, upQueries.length > 0]).toEqual([change, true]);
      await empty();
      await dataSource.runMigrations();
    }
  });

  it('convert e-mail domains to ASCII unless another active account has that address', async () => {
    while ((await applied()).some((name) => name.startsWith('AsciiEmailDomains'))) await dataSource.undoLastMigration();
    const before = [
      ['a@müller.de', null],
      ['b@müller.de', null],
      ['b@xn--mller-kva.de', null],
      ['c@müller.de', null],
      ['c@xn--mller-kva.de', 'now()'],
      ['rené@example.com', null],
      ['plain@example.com', null],
      ['d@münchen.xn--a', null],
    ];
    for (const [at, [email, deleted]] of before.entries())
      await client.query(
        `INSERT INTO users (id, uuid, email, deleted_at) VALUES ($1, gen_random_uuid(), $2, ${String(deleted)})`,
        [at + 1, email],
      );
    await dataSource.runMigrations();
    expect(await lines('SELECT concat(email, $$ $$, version) AS line FROM users ORDER BY id')).toEqual([
      'a@xn--mller-kva.de 2',
      'b@müller.de 1',
      'b@xn--mller-kva.de 1',
      'c@xn--mller-kva.de 2',
      'c@xn--mller-kva.de 1',
      'rené@example.com 1',
      'plain@example.com 1',
      'd@münchen.xn--a 1',
    ]);
    await empty();
    await dataSource.runMigrations();
  });

  it('copy the texts of existing tasks, and go back', async () => {
    while ((await applied()).some((name) => name.startsWith('SeparateTaskTexts'))) await dataSource.undoLastMigration();
    await client.query(`
      INSERT INTO users (id, uuid) VALUES (1, gen_random_uuid());
      INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, description, deleted_at) VALUES
        (1, gen_random_uuid(), 1, gen_random_uuid(), 'milk', 'two bottles', NULL),
        (2, gen_random_uuid(), 1, gen_random_uuid(), 'bread', '', NULL),
        (3, gen_random_uuid(), 1, gen_random_uuid(), 'deleted', 'before', now())`);
    await dataSource.runMigrations();
    const texts = `SELECT concat_ws(' ', owner_id, task_id, field, text) AS line FROM task_texts ORDER BY task_id, field`;
    expect(await lines(texts)).toEqual(['1 1 title milk', '1 1 description two bottles', '1 2 title bread']);
    await empty();
    await dataSource.runMigrations();
  });

  it('can be reverted one by one to an empty schema, and applied again to the same schema', async () => {
    const before = await schema();
    expect(before.length).toBeGreaterThan(40);
    for (const left of FILES.map((_, at) => FILES.length - 1 - at)) {
      await dataSource.undoLastMigration();
      expect(await applied()).toHaveLength(left);
    }
    expect(await schema()).toEqual([]);
    expect((await dataSource.runMigrations()).map(({ name }) => name)).toEqual(await applied());
    expect(await schema()).toEqual(before);
    expect(await dataSource.runMigrations()).toEqual([]);
  });
});

describe('the migrations in two processes at once', () => {
  beforeEach(empty);

  const waiting = async () =>
    (
      await lines(
        `SELECT pid AS line FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
    ).length;

  it('succeed in both processes, and each migration is applied once', async () => {
    // The process that creates the first table waits for this transaction, so that both are active when it continues.
    const first = new pg.Client({ connectionString: database.url });
    await first.connect();
    await first.query('BEGIN; CREATE TABLE migration (id integer)');
    const both = Promise.all([migrate(database.url), migrate(database.url)]);
    both.catch(() => undefined); // awaited below
    await until(async () => (await waiting()) === 2, 'both processes to wait');
    await first.query('ROLLBACK');
    await first.end();
    const [one, two] = await both;
    expect([...one, ...two]).toEqual(await applied());
    expect(await applied()).toHaveLength(FILES.length);
    expect([one.length, two.length].sort()).toEqual([0, FILES.length]); // the second process had nothing to do
  });
});
