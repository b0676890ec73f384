// A change of one row reads that row alone, also for an owner whom the statistics of PostgreSQL do not know.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { explain, explainGeneric, nodesOf, rowsReadBy } from '../support/engines/query-plan.js';
import { openRepositories, type Repositories, type Statement } from '../support/stores/repositories.js';

jest.setTimeout(60_000);

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  repositories = await openRepositories(database.url);
  await client.query(`
    INSERT INTO users (id, uuid, email) SELECT i, gen_random_uuid(), i || '@example.com' FROM generate_series(1, 2) i`);
  const addTasks = (owner: number, count: number) =>
    client.query(`
      INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title)
      SELECT ${owner} * 1000000 + i, gen_random_uuid(), ${owner}, gen_random_uuid(), 'text' FROM generate_series(1, ${count}) i`);
  await addTasks(1, 20_000);
  await client.query('ANALYZE'); // PostgreSQL then believes that all tasks are of this owner
  await addTasks(2, 500);
});
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});

/** Returns the rows that the statement reads, with its own and with its generic plan. */
async function rowsRead(statement: Statement): Promise<number[]> {
  const read: number[] = [];
  for (const plan of [explain, explainGeneric]) {
    await client.query('BEGIN');
    try {
      read.push(
        nodesOf(await plan(client, statement))
          .filter((node) => node['Relation Name'] !== undefined && node['Node Type'].endsWith('Scan'))
          .map(rowsReadBy)
          .reduce((a, b) => Math.max(a, b)),
      );
    } finally {
      await client.query('ROLLBACK');
    }
  }
  return read;
}

it.each([1, 2])('a task of the owner %i is changed, deleted, restored and read without reading others', async (key) => {
  const actor = { id: '', key: String(key), role: 'USER' as const, sessionId: '' };
  const find = `SELECT uuid FROM tasks WHERE owner_id = $1 ORDER BY id OFFSET 250 LIMIT 1`;
  const [task] = (await client.query<{ uuid: string }>(find, [key])).rows;
  const { uuid } = task!;
  for (const work of [
    () => repositories.tasks.updateOwned(actor, uuid, { title: 'changed' }, null),
    () => repositories.tasks.updateOwned(actor, uuid, { title: 'again' }, { versions: [2], isRequired: true }),
    () => repositories.tasks.deleteOwned(actor, uuid, null),
    () => repositories.tasks.undelete(uuid),
    () => repositories.tasks.getOwned(actor, uuid),
  ]) {
    const sent = await repositories.statementsOf(work);
    const ofTasks = sent.filter(({ text }) => /(UPDATE|FROM) "?tasks\b/.test(text));
    expect(ofTasks).toHaveLength(1);
    const [{ text }] = ofTasks as [Statement];
    const [before] = (
      await client.query<{ deleted_at: Date | null; version: number }>('SELECT * FROM tasks WHERE uuid = $1', [uuid])
    ).rows;
    // What the statement found when it was sent.
    await client.query('UPDATE tasks SET deleted_at = $2, version = version - $3 WHERE uuid = $1', [
      uuid,
      /deleted_at IS NOT NULL/.test(text) ? new Date() : null,
      /UPDATE tasks/.test(text) ? 1 : 0,
    ]);
    expect([text, await rowsRead(ofTasks[0]!)]).toEqual([text, [1, 1]]);
    await client.query('UPDATE tasks SET deleted_at = $2, version = $3 WHERE uuid = $1', [
      uuid,
      before?.deleted_at,
      before?.version,
    ]);
  }
});
