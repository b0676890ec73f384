// The repositories below HTTP: the number of statements per change, and concurrent changes.
import { EventEmitter, once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { SelectQueryBuilder } from 'typeorm';
import type { Actor } from '../../src/common/access/permissions.js';
import type { Task } from '../../src/tasks/task.entity.js';
import { TasksRepository } from '../../src/tasks/tasks.repository.js';
import { TaskSettings } from '../../src/tasks/tasks.settings.js';
import { testConfig } from '../support/config.js';
import { renderUser } from '../../src/users/dto/user.dto.js';
import type { User } from '../../src/users/user.entity.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { openRepositories, type Repositories } from '../support/stores/repositories.js';
import { until } from '../support/time/until.js';

const versions = (listed: number[]) => ({ versions: listed, isRequired: true });

jest.setTimeout(60_000);

let database: ClonedDatabase;
let repositories: Repositories;
let owner: User;
let actor: Actor;

beforeAll(async () => {
  database = await cloneDatabase();
  repositories = await openRepositories(database.url);
  owner = await repositories.users.create({ email: 'owner@example.com' }, renderUser);
  actor = { id: owner.uuid, key: owner.id, role: 'USER', sessionId: '' };
});
afterAll(async () => {
  await repositories.close();
  await database.drop();
});

const sql = <Row>(text: string, values: unknown[] = []) => repositories.dataSource.query<Row[]>(text, values);
/** Excludes the reservation of ids, which happens every few seconds. */
const textsOf = async (work: () => Promise<unknown>) =>
  (await repositories.statementsOf(work))
    .map(({ text }) => text.replaceAll('"', '').replace(/\s+/g, ' ').trim())
    .filter((text) => !text.includes('snowflake_lease'));
const newTask = () => repositories.tasks.create(actor, { title: 'first' });

describe('a change is one atomic statement', () => {
  const CONDITIONS = /WHERE id = old_id AND uuid = \$\d+ AND deleted_at IS NULL AND \("?owner_id"? = \$\d+\) IS TRUE/;

  it('with an expected version', async () => {
    const task = await newTask();
    const texts = await textsOf(() =>
      repositories.tasks.updateOwned(actor, task.uuid, { title: 'second' }, versions([1])),
    );
    expect(texts).toEqual([
      expect.stringMatching(
        /^WITH changed AS \( UPDATE tasks AS row SET .*version = version \+ 1.* RETURNING row\..* INSERT INTO new_events /,
      ),
    ]);
    expect(texts[0]).toMatch(CONDITIONS);
    expect(texts[0]).toMatch(/AND \(version = ANY \(\$\d+::integer\[\]\)\) = \$\d+/);
  });

  it('without an expected version, and for a soft delete', async () => {
    const task = await newTask();
    const changed = await textsOf(() => repositories.tasks.updateOwned(actor, task.uuid, { title: 'second' }, null));
    const deleted = await textsOf(() => repositories.tasks.deleteOwned(actor, task.uuid, null));
    for (const texts of [changed, deleted]) {
      expect(texts).toEqual([
        expect.stringMatching(/^WITH changed AS \( UPDATE tasks AS row SET .*version = version \+ 1/),
      ]);
      expect(texts[0]).toMatch(CONDITIONS);
    }
  });

  it('that writes only the named columns, version and time, and keeps concurrent changes of others', async () => {
    const task = await newTask();
    const [text] = await textsOf(() =>
      repositories.tasks.updateOwned(actor, task.uuid, { title: 'second' }, versions([1])),
    );
    expect(
      /SET (.*?) FROM \(SELECT/
        .exec(text ?? '')?.[1]
        ?.split(',')
        .map((part) => part.trim().split(' ')[0]?.replaceAll('"', '')),
    ).toEqual(['title', 'version', 'updated_at']);
  });

  it('whose text does not depend on the order of the members', async () => {
    const task = await newTask();
    const textOf = (patch: Partial<Task>) =>
      textsOf(() => repositories.tasks.updateOwned(actor, task.uuid, patch, null));
    const ordered = await textOf({ title: 'second', priority: 2 });
    expect(await textOf({ priority: 3, title: 'third' })).toEqual(ordered);
  });

  it('unless the patch is empty: then nothing is written', async () => {
    const task = await newTask();
    const texts = await textsOf(() => repositories.tasks.updateOwned(actor, task.uuid, {}, versions([1])));
    expect(texts).toEqual([expect.stringMatching(/^SELECT /)]);
    expect(await repositories.tasks.getOwned(actor, task.uuid)).toEqual(task);
  });

  it('for 500 new rows too, which return in their order', async () => {
    const titles = Array.from({ length: 500 }, (_, at) => `bulk ${at}`);
    const created: Task[] = [];
    const texts = await textsOf(async () =>
      created.push(
        ...(await repositories.tasks.createAll(
          actor,
          titles.map((title) => ({ title })),
        )),
      ),
    );
    expect(texts).toHaveLength(1);
    expect(created.map(({ title }) => title)).toEqual(titles);
    const ids = created.map(({ id }) => BigInt(id));
    expect(ids).toEqual([...ids].sort((a, b) => (a < b ? -1 : 1)));
  });
});

it('a filter of a list applies whatever its value, also 0', async () => {
  await newTask();
  const listed = await repositories.tasks.listOwned(actor, { limit: 5, sort: '-createdAt', priority: 0 });
  expect(listed.items).toEqual([]);
});

it('a change returns the stored row', async () => {
  const task = await newTask();
  expect(await repositories.tasks.getOwned(actor, task.uuid)).toEqual(task);
  const changed = await repositories.tasks.updateOwned(
    actor,
    task.uuid,
    { dueAt: new Date('2030-01-31T09:00:00.123Z') },
    versions([1]),
  );
  expect(changed).toEqual({
    ...task,
    dueAt: new Date('2030-01-31T09:00:00.123Z'),
    version: 2,
    updatedAt: expect.any(Date),
  });
  expect(await repositories.tasks.getOwned(actor, task.uuid)).toEqual(changed);
});

describe('a change that finds no row', () => {
  /** Runs `between` after the UPDATE found no row and before the repository looks for the reason. */
  function interrupted(between: () => Promise<unknown>): TasksRepository {
    return new (class extends TasksRepository {
      protected override rows(alias?: string): SelectQueryBuilder<Task> {
        const query = super.rows(alias);
        const getOne = query.getOne.bind(query);
        query.getOne = () => between().then(getOne);
        return query;
      }
    })(repositories.tools, testConfig('postgres://nowhere/none').get(TaskSettings));
  }

  it('throws CONFLICT when the row was restored in between', async () => {
    const task = await newTask();
    await repositories.tasks.deleteOwned(actor, task.uuid, null);
    const tasks = interrupted(() => repositories.tasks.undelete(task.uuid));
    await expect(tasks.updateOwned(actor, task.uuid, { title: 'second' }, null)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    expect(await repositories.tasks.getOwned(actor, task.uuid)).toMatchObject({ title: 'first', version: 3 });
  });

  it('throws VERSION_STALE for an outdated version, and NOT_FOUND for a deleted row', async () => {
    const task = await newTask();
    const stale = interrupted(() => Promise.resolve());
    await expect(stale.updateOwned(actor, task.uuid, { title: 'x' }, versions([2, 7]))).rejects.toMatchObject({
      code: 'VERSION_STALE',
    });
    const gone = interrupted(() => repositories.tasks.deleteOwned(actor, task.uuid, null));
    await expect(gone.updateOwned(actor, task.uuid, { title: 'x' }, versions([2]))).rejects.toMatchObject({
      code: 'TASK_NOT_FOUND',
    });
  });
});

it('the second of two concurrent changes waits, and then sees the version of the first', async () => {
  const task = await newTask();
  const gate = new EventEmitter();
  const first = repositories.transaction.run(async () => {
    await repositories.tasks.updateOwned(actor, task.uuid, { title: 'by the first' }, versions([1]));
    gate.emit('changed');
    await once(gate, 'commit');
  });
  await once(gate, 'changed');
  const second = repositories.tasks.updateOwned(actor, task.uuid, { title: 'by the second' }, versions([1]));
  const refused = expect(second).rejects.toMatchObject({ code: 'VERSION_STALE' });
  await until(async () => (await waiting('transactionid')) === 1, 'the second change to wait for the first');
  gate.emit('commit');
  await Promise.all([first, refused]);
  expect(await repositories.tasks.getOwned(actor, task.uuid)).toMatchObject({ title: 'by the first', version: 2 });
});

/** Returns the sessions of this database that wait for a lock of this kind. */
async function waiting(event: string): Promise<number> {
  const [row] = await sql<{ count: string }>(
    `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND wait_event = $1`,
    [event],
  );
  return Number(row?.count);
}

it('when the last two administrators are demoted at once, one remains', async () => {
  const { users, transaction } = repositories;
  const [one, two] = [
    await users.create({ email: 'one@example.com', role: 'ADMIN' }, renderUser),
    await users.create({ email: 'two@example.com', role: 'ADMIN' }, renderUser),
  ];
  const gate = new EventEmitter();
  const demote = (user: User, before: () => Promise<unknown>) =>
    transaction.run(async () => {
      await users.lockAdmins();
      const another = await users.hasAdminBeside(user.uuid);
      await before();
      if (another) await users.update(user.uuid, { role: 'USER' }, null);
      return another;
    });
  const first = demote(one, () => {
    gate.emit('looked');
    return once(gate, 'go on');
  });
  await once(gate, 'looked');
  const second = demote(two, () => Promise.resolve());
  await until(async () => (await waiting('advisory')) === 1, 'the second administrator to wait for the first');
  gate.emit('go on');
  expect(await Promise.all([first, second])).toEqual([true, false]);
  expect(await sql(`SELECT email FROM users WHERE role = 'ADMIN'`)).toEqual([{ email: 'two@example.com' }]);
});

describe('an upgraded password hash', () => {
  it('is stored without a new version or time', async () => {
    const user = await repositories.users.create({ email: 'old@example.com', passwordHash: 'old' }, renderUser);
    await repositories.users.upgradeHash(user, 'new');
    expect(await repositories.users.findById(user.uuid)).toEqual({ ...user, passwordHash: 'new' });
  });

  it('does not overwrite a concurrent password change', async () => {
    const user = await repositories.users.create({ email: 'changed@example.com', passwordHash: 'old' }, renderUser);
    await repositories.users.update(user.uuid, { passwordHash: 'changed' }, null);
    await repositories.users.upgradeHash(user, 'new');
    expect(await repositories.users.findById(user.uuid)).toMatchObject({ passwordHash: 'changed' });
  });
});

describe('an address in use', () => {
  it('is detected by the name of the index in concurrent requests', async () => {
    const { users } = repositories;
    const made = await Promise.allSettled(
      Array.from({ length: 8 }, () => users.create({ email: 'same@example.com', username: null }, renderUser)),
    );
    expect(made.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const attempt of made)
      if (attempt.status === 'rejected')
        expect(attempt.reason).toMatchObject({ code: 'USER_EMAIL_TAKEN', status: 409 });
  });

  it('is free after a deletion, and then blocks the restore', async () => {
    const { users } = repositories;
    const before = await users.create({ email: 'again@example.com', username: 'Again' }, renderUser);
    await users.delete(before.uuid, null);
    const after = await users.create({ email: 'again@example.com' }, renderUser);
    await expect(users.undelete(before.uuid)).rejects.toMatchObject({ code: 'USER_EMAIL_TAKEN' });
    await users.update(after.uuid, { email: 'other@example.com', username: 'aGAIN' }, null);
    await expect(users.undelete(before.uuid)).rejects.toMatchObject({ code: 'USER_USERNAME_TAKEN' });
  });
});
