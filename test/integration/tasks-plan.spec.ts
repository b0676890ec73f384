// List queries on a million tasks: page 1 and page 10,000 read the same number of rows, measured without a clock.
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Actor } from '../../src/common/access/permissions.js';
import type { ListTasksQuery } from '../../src/tasks/dto/task.dto.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import {
  buffersOf,
  explain,
  explainGeneric,
  faultsOf,
  nodesOf,
  type PlanNode,
  rowsReadBy,
} from '../support/engines/query-plan.js';
import { openRepositories, type Repositories, type Statement } from '../support/stores/repositories.js';

jest.setTimeout(120_000);

const TASKS = 1_000_000;
/** One task in fifty. */
const DELETED = 20_000;
const OWNERS = 6_000;
const DEEP = 200_000;
/** This many tasks of the rarest status (one in twenty-five) precede the page. */
const DONE = 10_000;
const LIMIT = 20;

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;
let actor: Actor;

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await fill();
  repositories = await openRepositories(database.url);
  const [owner] = (await client.query<{ uuid: string; id: string }>('SELECT uuid, id FROM users WHERE id = 1')).rows;
  actor = { id: owner?.uuid ?? '', key: owner?.id ?? '', role: 'USER', sessionId: '' };
});
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});

/** Indexes and foreign keys are created after the rows, which takes a third of the time. */
async function fill(): Promise<void> {
  const { rows: constraints } = await client.query<{ drop: string; add: string }>(`
    SELECT format('ALTER TABLE tasks DROP CONSTRAINT %I', conname) AS drop,
           format('ALTER TABLE tasks ADD CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)) AS add
    FROM pg_constraint WHERE conrelid = 'tasks'::regclass AND contype IN ('p', 'f')`);
  const { rows: indexes } = await client.query<{ drop: string; add: string }>(`
    SELECT format('DROP INDEX %I', indexname) AS drop, indexdef AS add FROM pg_indexes
    WHERE tablename IN ('tasks', 'task_texts') AND indexname NOT IN (SELECT conname FROM pg_constraint)`);
  expect(indexes.length).toBeGreaterThanOrEqual(8);
  const all = [...constraints, ...indexes];
  await client.query('SELECT setseed(0.5)');
  await client.query(`SET maintenance_work_mem = '256MB'; SET synchronous_commit = off`);
  await client.query(`
    INSERT INTO users (id, uuid, email) SELECT i, gen_random_uuid(), 'user' || i || '@example.com' FROM generate_series(1, ${OWNERS}) i`);
  await client.query(`
    INSERT INTO sessions (id, uuid, user_id, salt, rotated_at, expires_at)
    SELECT i, gen_random_uuid(), 1 + i % ${OWNERS}, 'salt', now(), now() + interval '1 day' FROM generate_series(1, 50000) i`);
  await client.query(all.map(({ drop }) => drop).join(';'));
  // User 1 owns two of five tasks; updates and due times have another order than creations.
  await client.query(`
    INSERT INTO tasks (id, uuid, created_at, updated_at, deleted_at, owner_id, owner_uuid, title, description, status, priority, due_at)
    SELECT i, gen_random_uuid(), t.created, t.created + random() * interval '300 days',
      CASE WHEN i % 50 = 5 THEN now() END, u.id, u.uuid, 'Task ' || i, repeat('text ', 10),
      (CASE WHEN random() < 0.6 THEN 'TODO' WHEN random() < 0.9 THEN 'IN_PROGRESS' ELSE 'DONE' END)::task_status,
      1 + floor(random() * 5), CASE WHEN random() < 0.6 THEN t.created + random() * interval '900 days' END
    FROM generate_series(1, ${TASKS}) i
    CROSS JOIN LATERAL (SELECT timestamptz '2025-01-01Z' + i / 3 * interval '1 minute' AS created) t
    JOIN users u ON u.id = CASE WHEN i % 5 < 2 THEN 1 ELSE 2 + i % (${OWNERS} - 1) END`);
  for (const { add } of all.reverse()) await client.query(add);
  await client.query('ANALYZE');
}

/** Returns the only statement that a repository sends. */
async function statementOf(work: () => Promise<unknown>): Promise<Statement> {
  const sent = await repositories.statementsOf(work);
  expect(sent).toHaveLength(1);
  return sent[0] as Statement;
}

/** Finds, by a slow scan, the cursor and the first row of the page after `offset` rows. */
async function cursorAt(offset: number, sort: string, where: string): Promise<{ cursor: string; first: string }> {
  const column = (SORTS[sort.replace('-', '')] as Sort).sql;
  const direction = sort.startsWith('-') ? 'DESC' : 'ASC';
  const { rows } = await client.query<{ value: unknown; id: string; uuid: string }>(`
    SELECT ${column} AS value, id, uuid FROM tasks WHERE ${where}
    ORDER BY ${column} ${direction}, id ${direction} OFFSET ${offset - 1} LIMIT 2`);
  const { value, id } = rows[0]!;
  const key = value instanceof Date ? value.toISOString() : value === Infinity ? 'infinity' : Number(value);
  return { cursor: repositories.tools.cursors.seal(`tasks:${sort}`, [key, id]), first: rows[1]!.uuid };
}

interface Sort {
  sql: string;
  index: string;
}

const SORTS: Record<string, Sort> = {
  createdAt: { sql: 'created_at', index: 'tasks_created' },
  updatedAt: { sql: 'updated_at', index: 'tasks_updated' },
  priority: { sql: 'priority', index: 'tasks_priority' },
  dueAt: { sql: `coalesce(due_at, 'infinity')`, index: 'tasks_due' },
};

/** Expects one index scan from the first to the last row of the page, at any depth. */
function expectSameCost(first: PlanNode, deep: PlanNode, index: string): void {
  for (const plan of [first, deep]) expect(faultsOf(plan, { indexes: [index], rows: LIMIT + 1 })).toEqual([]);
  expect(buffersOf(deep)).toBeLessThanOrEqual(2 * buffersOf(first) + 20);
}

describe('page 1 and page 10,000 cost the same', () => {
  const own = 'owner_id = 1 AND deleted_at IS NULL';

  it.each(
    Object.entries(SORTS).flatMap(([name, { index }]) => [
      [name, index],
      [`-${name}`, index],
    ]),
  )("for the user's tasks by %s", async (sort, index) => {
    const { cursor, first } = await cursorAt(DEEP, sort, own);
    const { items } = await repositories.tasks.listOwned(actor, { limit: LIMIT, sort, cursor });
    expect([items.length, items[0]?.uuid]).toEqual([LIMIT, first]); // proves that this is page 10,000
    const list = (query: Partial<ListTasksQuery>) =>
      statementOf(() => repositories.tasks.listOwned(actor, { limit: LIMIT, sort, ...query }));
    expectSameCost(await explain(client, await list({})), await explain(client, await list({ cursor })), index);
  });

  it.each(
    Object.entries(SORTS).flatMap(([name, { index }]) => [
      [name, index],
      [`-${name}`, index],
    ]),
  )("for the user's tasks in a rare status by %s, at the last full depth", async (sort, index) => {
    const query = { limit: LIMIT, sort, status: 'DONE' } as const;
    const { cursor, first } = await cursorAt(DONE, sort, `${own} AND status = 'DONE'`);
    const { items } = await repositories.tasks.listOwned(actor, { ...query, cursor });
    expect([items.length, items[0]?.uuid]).toEqual([LIMIT, first]);
    const list = (cursor?: string) => statementOf(() => repositories.tasks.listOwned(actor, { ...query, cursor }));
    expectSameCost(
      await explain(client, await list()),
      await explain(client, await list(cursor)),
      index.replace('tasks_', 'tasks_status_'),
    );
  });

  it.each(['createdAt', '-createdAt'])('for all deleted tasks by %s, at the last full depth', async (sort) => {
    const { cursor, first } = await cursorAt(DELETED - LIMIT, sort, 'deleted_at IS NOT NULL');
    const { items } = await repositories.tasks.listDeleted({ limit: LIMIT, sort, cursor });
    expect([items.length, items[0]?.uuid]).toEqual([LIMIT, first]);
    const list = (cursor?: string) => statementOf(() => repositories.tasks.listDeleted({ limit: LIMIT, sort, cursor }));
    expectSameCost(await explain(client, await list()), await explain(client, await list(cursor)), 'tasks_deleted');
  });
});

it('the cleanup query reads deleted tasks only', async () => {
  const purge = await statementOf(() =>
    repositories.tasks.purge({ after: '0', below: String(TASKS), limit: 1_000 }, 30),
  );
  const plan = await explain(client, purge);
  expect(nodesOf(plan).map((node) => node['Index Name'])).toContain('tasks_purge');
  expect(rowsReadBy(plan)).toBeLessThanOrEqual(4_000); // each row in the index and in the table, and found rows twice
});

describe('a task search', () => {
  const search = async (q: string, searcher = actor): Promise<[PlanNode, PlanNode]> => {
    const query = { limit: LIMIT, sort: '-createdAt', q };
    const sent = await repositories.statementsOf(() => repositories.tasks.listOwned(searcher, query));
    expect(sent).toHaveLength(2);
    return [await explain(client, sent[0]!), await explain(client, sent[1]!)];
  };
  /** Each text is read in the index, in the table, and as a row of the materialized part. */
  const READS = 3;
  const indexesOf = (plan: PlanNode) => nodesOf(plan).flatMap((node) => node['Index Name'] ?? []);
  const fill = (ids: string, description: string) =>
    client.query(`UPDATE tasks SET description = $1 WHERE id IN (${ids})`, [description]);

  it('for a rare text reads only its matches, through the trigram index', async () => {
    await fill('1, 5, 10, 11', 'Zebras, and nothing else');
    const [texts, tasks] = await search('zeBRAs');
    expect(tasks['Actual Rows']).toBe(3); // number 1 has another owner, number 5 is deleted
    expect(indexesOf(texts)).toEqual(['task_texts_search']);
    expect(rowsReadBy(texts)).toBe(3 * READS);
    expect(rowsReadBy(tasks)).toBe(3);
  });

  it('for a frequent text stops after a few texts, and at the end of the page', async () => {
    const [texts, tasks] = await search('TASK');
    expect(indexesOf(texts)).toEqual(['task_texts_search']);
    expect(texts['Actual Rows']).toBe(201);
    expect(faultsOf(tasks, { indexes: ['tasks_created'], rows: LIMIT + 1 })).toEqual([]);
  });

  it('reads no text of others, also for an owner whom the statistics do not know', async () => {
    await fill('SELECT id FROM tasks WHERE owner_id = 1 AND id > 990000', 'Giraffes for all');
    await client.query(`INSERT INTO users (id, uuid) VALUES (${OWNERS + 1}, gen_random_uuid())`);
    await client.query(`
      INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title, description)
      SELECT ${TASKS} + i, gen_random_uuid(), ${OWNERS + 1}, gen_random_uuid(), 'Task ' || i, CASE WHEN i % 10 = 0 THEN 'A giraffe' ELSE '' END
      FROM generate_series(1, 500) i`);
    for (const [key, own, found] of [
      [OWNERS + 1, 550, LIMIT + 1],
      [2, 400, 0],
    ] as const) {
      const [texts, tasks] = await search('giraffe', { ...actor, key: String(key) });
      expect([key, tasks['Actual Rows']]).toEqual([key, found]);
      expect([key, rowsReadBy(texts) <= own * READS, rowsReadBy(tasks) <= own]).toEqual([key, true, true]);
    }
  });
});

describe('the most frequent reads touch one row per table:', () => {
  const uuidIndex = async (table: string) =>
    (
      await client.query<{ name: string }>(
        `SELECT indexname AS name FROM pg_indexes WHERE tablename = $1 AND indexdef LIKE 'CREATE UNIQUE%(uuid)'`,
        [table],
      )
    ).rows[0]?.name;
  const primaryKey = async (table: string) =>
    (
      await client.query<{ name: string }>(
        `SELECT conname AS name FROM pg_constraint WHERE conrelid = $1::regclass AND contype = 'p'`,
        [table],
      )
    ).rows[0]?.name;

  async function expectOneRowEach(statement: Statement, indexes: unknown[]): Promise<void> {
    const expected = { indexes: indexes.map(String), rows: indexes.length };
    const plans = [await explain(client, statement), await explainGeneric(client, statement)];
    for (const plan of plans) {
      expect(plan['Actual Rows']).toBe(1);
      expect(faultsOf(plan, expected)).toEqual([]);
      expect(buffersOf(plan)).toBeLessThanOrEqual(5 * indexes.length);
    }
  }

  it('a read of a task by its id', async () => {
    const { rows } = await client.query<{ uuid: string }>(
      'SELECT uuid FROM tasks WHERE owner_id = 1 AND deleted_at IS NULL OFFSET 1000 LIMIT 1',
    );
    const statement = await statementOf(() => repositories.tasks.getOwned(actor, rows[0]!.uuid));
    await expectOneRowEach(statement, [await uuidIndex('tasks')]);
  });

  it('a read of the user of a session', async () => {
    const { rows } = await client.query<{ uuid: string }>('SELECT uuid FROM sessions OFFSET 1000 LIMIT 1');
    const statement = await statementOf(() => repositories.sessions.findUserOf(rows[0]!.uuid));
    await expectOneRowEach(statement, [await uuidIndex('sessions'), await primaryKey('users')]);
  });
});

describe('the plan checks detect', () => {
  const expected = { indexes: ['tasks_created'], rows: LIMIT + 1 };
  const first = () => statementOf(() => repositories.tasks.listOwned(actor, { limit: LIMIT, sort: '-createdAt' }));

  it('OFFSET, which reads every row of the previous pages', async () => {
    const { text, values } = await first();
    const plan = await explain(client, { text: `${text} OFFSET ${DEEP}`, values });
    expect(faultsOf(plan, expected)).toEqual([`reads ${DEEP + LIMIT + 1} rows instead of ${LIMIT + 1}`]);
    expect(buffersOf(plan)).toBeGreaterThan(2 * buffersOf(await explain(client, await first())) + 20);
  });

  it('a sort order without an index', async () => {
    const { text, values } = await first();
    const plan = await explain(client, {
      text: text.replace('ORDER BY row.created_at DESC', 'ORDER BY row.title DESC'),
      values,
    });
    expect(faultsOf(plan, expected).join('; ')).toMatch(/Sort.*Scan on tasks.*reads \d{6,} rows/);
  });

  it('a filter that discards most rows', async () => {
    const { text, values } = await first();
    const plan = await explain(client, {
      text: text.replace('WHERE', `WHERE right("row"."title", 5) = '99999' AND`),
      values,
    });
    expect(faultsOf(plan, expected).join()).toMatch(/reads \d{5,} rows instead of 21/);
  });
});
