// The texts of tasks for the search: they follow every change of a task, and only a change of a text touches their index.
import { randomInt } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Actor } from '../../src/common/access/permissions.js';
import type { Task } from '../../src/tasks/task.entity.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { openRepositories, type Repositories } from '../support/stores/repositories.js';

const KIB = 1_024;

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;
let actor: Actor;

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  repositories = await openRepositories(database.url);
  const { rows } = await client.query<{ uuid: string }>(
    'INSERT INTO users (id, uuid) VALUES (1, gen_random_uuid()) RETURNING uuid',
  );
  actor = { id: rows[0]!.uuid, key: '1', role: 'USER', sessionId: '' };
});
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});

async function find(q: string): Promise<string[]> {
  const { items } = await repositories.tasks.listOwned(actor, { limit: 100, sort: 'createdAt', q });
  return items.map(({ uuid }) => uuid);
}

/** Returns the difference between the texts and the tasks: lines of the one that the other lacks. */
async function deviations(): Promise<object[]> {
  const texts = 'SELECT owner_id, task_id, field::text, text FROM task_texts';
  const expected = ['title', 'description']
    .map((field) => `SELECT owner_id, id, '${field}', ${field} FROM tasks WHERE deleted_at IS NULL AND ${field} <> ''`)
    .join(' UNION ALL ');
  return (await client.query<object>(`(${texts} EXCEPT (${expected})) UNION ALL ((${expected}) EXCEPT ${texts})`)).rows;
}

const update = (task: Task, patch: Partial<Task>) => repositories.tasks.updateOwned(actor, task.uuid, patch, null);
const remove = (task: Task) => repositories.tasks.deleteOwned(actor, task.uuid, null);

describe('a change of a task with 10,000 random characters', () => {
  const random = (from: number, count: number): string =>
    Array.from({ length: 5_000 }, () => String.fromCodePoint(from + randomInt(count))).join('');
  /** 10,000 characters: half of them Chinese, half of them letters, which are words in every locale. */
  const longText = (): string => random(0x4e00, 20_000) + random(0x61, 26);

  /** Returns the bytes that this connection writes to the log when it sends the UPDATE of `work`. */
  async function logged(work: () => Promise<unknown>): Promise<number> {
    const undone = new Error('rolled back');
    const attempt = () =>
      repositories.transaction.run(async () => {
        await work();
        throw undone;
      });
    const sent = await repositories.statementsOf(() => expect(attempt()).rejects.toBe(undone));
    const { text, values } = sent.find((statement) => /UPDATE tasks/.test(statement.text))!;
    const written = async () => {
      await client.query('SELECT pg_stat_force_next_flush()');
      const { rows } = await client.query<{ bytes: string }>(
        'SELECT wal_bytes AS bytes FROM pg_stat_get_backend_wal(pg_backend_pid())',
      );
      return Number(rows[0]!.bytes);
    };
    const before = await written();
    const { rowCount } = await client.query(text, values);
    expect(rowCount).toBe(1);
    return (await written()) - before;
  }

  let task: Task;
  beforeAll(async () => {
    task = await repositories.tasks.create(actor, { title: 'long', description: longText() });
    await update(task, { priority: 1 });
  });

  it('writes less than 100 KiB to the log of PostgreSQL for a new priority', async () => {
    expect(await logged(() => update(task, { priority: 4 }))).toBeLessThan(100 * KIB);
  });

  it('writes less than 100 KiB for a new title', async () => {
    expect(await logged(() => update(task, { title: 'still long' }))).toBeLessThan(100 * KIB);
    expect(await find('still long')).toEqual([task.uuid]);
  });

  it('writes more for a new description, which is indexed', async () => {
    expect(await logged(() => update(task, { description: longText() }))).toBeGreaterThan(200 * KIB);
    expect(await deviations()).toEqual([]);
  });
});

describe('a search finds', () => {
  it('the new text and not the old one', async () => {
    const task = await repositories.tasks.create(actor, { title: 'first apple', description: 'first pear' });
    expect([await find('APPLE'), await find('first PEAR')]).toEqual([[task.uuid], [task.uuid]]);
    await update(task, { title: 'second cherry' });
    expect([await find('apple'), await find('cherry'), await find('pear')]).toEqual([[], [task.uuid], [task.uuid]]);
    await update(task, { description: 'second plum' });
    expect([await find('pear'), await find('plum')]).toEqual([[], [task.uuid]]);
    await update(task, { description: '' });
    expect([await find('plum'), await find('second')]).toEqual([[], [task.uuid]]);
    await update(task, { title: 'third quince', description: 'third quince' });
    expect([await find('second'), await find('quince')]).toEqual([[], [task.uuid]]);
    await update(task, { priority: 5, title: 'third quince' });
    expect(await find('quince')).toEqual([task.uuid]);
    expect(await deviations()).toEqual([]);
  });

  it('a task again that was deleted and restored, and not while it is deleted or when it was purged', async () => {
    const task = await repositories.tasks.create(actor, { title: 'grape', description: 'of a vineyard' });
    await remove(task);
    expect([await find('grape'), await find('vineyard'), await deviations()]).toEqual([[], [], []]);
    await repositories.tasks.undelete(task.uuid);
    expect([await find('grape'), await find('vineyard')]).toEqual([[task.uuid], [task.uuid]]);
    expect(await deviations()).toEqual([]);
    await remove(task);
    const range = { after: '0', below: String(BigInt(task.id) + 1n), limit: 1_000 };
    expect(await repositories.tasks.purge(range, 0)).toMatchObject({ deleted: 1 });
    expect([await find('grape'), await deviations()]).toEqual([[], []]);
  });

  it('each of 500 tasks that were created at once, also when the text is frequent', async () => {
    const values = Array.from({ length: 500 }, (_, n) => ({ title: `melon ${n}.`, description: n % 2 ? 'ripe' : '' }));
    const tasks = await repositories.tasks.createAll(actor, values);
    expect(await find('melon 321.')).toEqual([tasks[321]!.uuid]);
    expect(await find('melon')).toEqual(tasks.slice(0, 100).map(({ uuid }) => uuid));
    expect(await deviations()).toEqual([]);
  });

  it('texts of one and two letters, of which no index knows, and texts that are no words', async () => {
    const task = await repositories.tasks.create(actor, { title: 'жю', description: '#%#' });
    for (const q of ['ж', 'ЖЮ', '#%', '#%#']) expect([q, await find(q)]).toEqual([q, [task.uuid]]);
  });

  it('the same without the index, as in a PostgreSQL without pg_trgm', async () => {
    await client.query('DROP EXTENSION pg_trgm CASCADE; DROP EXTENSION btree_gin CASCADE');
    expect((await client.query(`SELECT FROM pg_indexes WHERE indexname = 'task_texts_search'`)).rowCount).toBe(0);
    expect([(await find('MELON')).length, (await find('melon 32')).length]).toEqual([100, 11]);
    const task = await repositories.tasks.create(actor, { title: 'unindexed 4711' });
    expect(await find('UNINDEXED 4711')).toEqual([task.uuid]);
  });
});

it('no text stays of a task whose row is removed before its deletion', async () => {
  await client.query('DELETE FROM tasks WHERE id = (SELECT min(id) FROM tasks WHERE deleted_at IS NULL)');
  expect(await deviations()).toEqual([]);
  await client.query('TRUNCATE tasks');
  expect((await client.query('SELECT FROM task_texts')).rowCount).toBe(0);
});
