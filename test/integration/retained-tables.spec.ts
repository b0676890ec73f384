// Every table whose rows stay after their end limits them for each owner, or states why not; and a trim reads indexes only.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import '../../src/app.module.js'; // declares all rows and jobs
import { type RetainedRows, retainedRows } from '../../src/common/repositories/retained-rows.js';
import { RowTrimmer } from '../../src/common/repositories/row-trimmer.js';
import type { Transaction } from '../../src/shared/database/transaction.js';
import { jobDefinitions } from '../../src/workers/job.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { explain, nodesOf, rowsReadBy } from '../support/engines/query-plan.js';
import type { Statement } from '../support/stores/repositories.js';

/** Tables with a time of an end that no trim limits, and the reason. */
const UNLIMITED: Readonly<Record<string, string>> = {
  audit_log: 'an entry must outlive what its actor does afterwards; users cause few (docs/guides/cache-and-limits.md)',
  buckets: 'only administrators create them',
  realtime_tickets: 'each new ticket deletes ten that have expired',
  snowflake_lease: 'it has 4,096 rows',
  storage_leases: 'bytes being written count in the quota of files; files.tidy removes what has expired',
  upload_locks: 'a request holds one at a time; uploads.sweep removes what has expired',
  users: 'only administrators delete accounts, and the login limits count registrations',
};
/** Names of columns that state the end of a row. */
const END = '(deleted|finished|completed|ended|closed|revoked|cancelled|archived|expires)_at$|_until$';

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

const limited = (): Set<string> => new Set(retainedRows().map(({ table }) => table));

it('every table with a time of an end has a limit for each owner, or a reason to have none', async () => {
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT table_name AS name FROM information_schema.columns
     WHERE table_schema = 'public' AND column_name ~ $1 ORDER BY 1`,
    [END],
  );
  const tables = rows.map(({ name }) => name);
  expect(tables.length).toBeGreaterThanOrEqual(10);
  expect(tables.filter((table) => !limited().has(table) && !(table in UNLIMITED))).toEqual([]);
  expect([...limited()].filter((table) => !tables.includes(table))).toEqual([]);
  expect(Object.keys(UNLIMITED).filter((table) => limited().has(table) || !tables.includes(table))).toEqual([]);
});

it('every area with a cleanup has a trim', () => {
  const names = [...jobDefinitions().keys()];
  const areas = names.flatMap((name) => /^(.+)\.cleanup$/.exec(name)?.[1] ?? []);
  expect(areas.length).toBeGreaterThanOrEqual(6);
  expect(areas.filter((area) => !names.includes(`${area}.trim`))).toEqual(['audit']); // see UNLIMITED
});

/** Returns the statements of a trim that finds one owner above the limits: the search for owners, and for its rows. */
async function statementsOf(kind: RetainedRows, owner = '1'): Promise<[Statement, Statement]> {
  const sent: Statement[] = [];
  const answers = [[{ owner, rows: 1_000, bytes: 0 }], []];
  const transaction = {
    query({ text, values = [] }: pg.QueryConfig) {
      sent.push({ text, values });
      return Promise.resolve(answers[sent.length - 1]);
    },
  };
  await new RowTrimmer(transaction as unknown as Transaction).trim(kind, { rows: 100 }, new AbortController().signal);
  return sent as [Statement, Statement];
}

describe('the statements of a trim', () => {
  it('find an index of its own in each table', async () => {
    await client.query('SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off');
    for (const kind of retainedRows())
      for (const statement of await statementsOf(kind)) {
        const scan = nodesOf(await explain(client, statement)).find((node) => node['Relation Name'] === kind.table);
        expect([kind.table, scan?.['Index Name']]).toEqual([
          kind.table,
          expect.stringMatching(/_retained(_of_system)?$/),
        ]);
      }
    await client.query('RESET ALL');
  });

  it('read the index of 200,000 deleted tasks once, and of the table only the rows to delete', async () => {
    await client.query('SET synchronous_commit = on'); // VACUUM skips rows whose commit is not flushed
    await client.query(`
      INSERT INTO users (id, uuid, email) SELECT i, gen_random_uuid(), 'user' || i || '@example.com' FROM generate_series(1, 1001) i`);
    await client.query(`
      INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, description, deleted_at)
      SELECT i, gen_random_uuid(), u.id, u.uuid, 'Task ' || i, repeat('text ', 30), CASE WHEN i % 3 > 0 THEN now() - i * interval '1 s' END
      FROM generate_series(1, 300000) i JOIN users u ON u.id = CASE WHEN i % 2 = 0 THEN 1 ELSE 2 + i % 1000 END`);
    await client.query('VACUUM ANALYZE tasks'); // marks the pages as visible, as autovacuum does
    const [tasks] = retainedRows().filter(({ table }) => table === 'tasks');
    const [search, list] = await statementsOf(tasks as RetainedRows);
    const scans = nodesOf(await explain(client, search)).filter((node) => node['Relation Name'] === 'tasks');
    expect(scans.map((node) => [node['Node Type'], node['Index Name']])).toEqual([
      ['Index Only Scan', 'tasks_retained'],
    ]);
    expect(rowsReadBy(await explain(client, list))).toBe(1_000);
  });
});
