// Bulk operations on users: idempotent under concurrency, and no statement reads the whole table.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { ImportedUser } from '../../src/users/import/import-row.js';
import { UsersBulkRepository } from '../../src/users/users-bulk.repository.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { explain, faultsOf, nodesOf } from '../support/engines/query-plan.js';
import { openRepositories, type Repositories, type Statement } from '../support/stores/repositories.js';

jest.setTimeout(60_000);

let database: ClonedDatabase;
let repositories: Repositories;
let bulk: UsersBulkRepository;
let client: pg.Client;
beforeAll(async () => {
  database = await cloneDatabase();
  repositories = await openRepositories(database.url);
  bulk = new UsersBulkRepository(repositories.transaction, repositories.tools.ids, repositories.users);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  await client.end();
  await repositories.close();
  await database.drop();
});
beforeEach(() => client.query('DELETE FROM users'));
afterEach(() => void jest.restoreAllMocks());

const user = (values: Partial<ImportedUser>): ImportedUser => ({
  ...{ uuid: randomUUID(), email: null, username: null, name: null, age: null, hobbies: [] },
  ...values,
});
const crowd = (size: number): ImportedUser[] =>
  Array.from({ length: size }, (_, index) => user({ email: `u${index}@example.com`, username: `u${index}` }));
const names = async (): Promise<string[]> =>
  (await client.query<{ name: string }>('SELECT coalesce(email, username) AS name FROM users ORDER BY id')).rows.map(
    ({ name }) => name,
  );

describe('bulk insertion of users', () => {
  it('keeps their order, adds the first of two with the same name, and reports the conflicts of the others', async () => {
    const [first, again, other, third] = [
      user({ email: 'a@example.com', username: 'a' }),
      user({ email: 'a@example.com', username: 'b' }),
      user({ email: 'c@example.com', username: 'A' }),
      user({ username: 'b' }),
    ];
    expect(await bulk.addAll([first, again, other, third])).toEqual(
      new Map([
        [again.uuid, 'EMAIL_TAKEN'],
        [other.uuid, 'USERNAME_TAKEN'],
      ]),
    );
    expect(await names()).toEqual(['a@example.com', 'b']);
  });

  it('adds each user once when it is repeated, even after some were deleted', async () => {
    const users = crowd(50);
    expect(await bulk.addAll(users)).toEqual(new Map());
    await client.query(`UPDATE users SET deleted_at = now() WHERE email < 'u2'`);
    expect(await bulk.addAll(users)).toEqual(new Map());
    expect((await names()).length).toBe(50);
  });

  it('adds each user once when several callers run it at the same time', async () => {
    const users = crowd(200);
    const taken = await Promise.all(Array.from({ length: 4 }, () => bulk.addAll(users)));
    expect(taken.map(({ size }) => size)).toEqual([0, 0, 0, 0]);
    expect((await names()).length).toBe(200);
  });

  it('handles two callers with the same names in opposite order', async () => {
    for (let round = 0; round < 10; round++) {
      await client.query('DELETE FROM users');
      const taken = await Promise.all([bulk.addAll(crowd(300)), bulk.addAll(crowd(300).reverse())]);
      expect(taken.reduce((sum, { size }) => sum + size, 0)).toBe(300);
      expect((await names()).length).toBe(300);
    }
  });

  it('adds a user when the conflicting one is deleted at that moment', async () => {
    await bulk.addAll([user({ email: 'a@example.com' })]);
    const query = repositories.transaction.query.bind(repositories.transaction);
    const spy = jest.spyOn(repositories.transaction, 'query').mockImplementation(async (statement) => {
      const rows = await query(statement);
      if (statement.name === 'users-add-all') await client.query('UPDATE users SET deleted_at = now()');
      return rows;
    });
    expect(await bulk.addAll([user({ email: 'a@example.com' })])).toEqual(new Map());
    expect(spy.mock.calls.map(([{ name }]) => name)).toEqual(['users-add-all', 'users-who-holds', 'users-add-all']);
    expect((await names()).length).toBe(2);
  });
});

describe('bulk operations among 50,000 users', () => {
  beforeEach(async () => {
    await client.query(`
      INSERT INTO users (id, uuid, email, username) SELECT i, gen_random_uuid(), 'u' || i || '@example.com', 'u' || i
      FROM generate_series(1, 50000) i`);
    await bulk.noteGrowth();
  });
  const sentBy = async (name: string, work: () => Promise<unknown>): Promise<Statement> => {
    const sent = (await repositories.statementsOf(work)).find(({ text }) => text.includes(name));
    if (!sent) throw new Error(`Nothing was sent with ${name}`);
    return sent;
  };

  it('find the holder of a name by index', async () => {
    const plan = await explain(client, await sentBy('LATERAL', () => bulk.addAll(crowd(500))));
    const scans = nodesOf(plan).filter((node) => node['Node Type'].includes('Scan'));
    expect(scans.map((node) => node['Index Name'] ?? node['Node Type'])).toEqual([
      'Function Scan',
      expect.stringMatching(/^IDX_/),
      'users_email_key',
      'users_username_key',
    ]);
  });

  it('read every page of the export and of the count at the same cost', async () => {
    for (const pages of [bulk.pagesToExport(), bulk.pagesToCount()]) {
      const statement = await sentBy('LIMIT', () => pages.next());
      const limit = statement.values[1] as number;
      const plan = await explain(client, { ...statement, values: [40_000, limit] });
      expect(faultsOf(plan, { indexes: ['PK_a3ffb1c0c8416b9fc6f907b7433'], rows: limit })).toEqual([]);
      await pages.return(undefined);
    }
  });
});
