// Simultaneous changes share commits: each has its own result, its own event and its own failure, and none waits for a locked row of another.
import { afterAll, beforeAll, beforeEach, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Actor } from '../../src/common/access/permissions.js';
import { GatheredChanges } from '../../src/common/repositories/gathered-changes.js';
import type { CacheService } from '../../src/shared/cache/cache.service.js';
import { ChangeDeadline } from '../../src/shared/cache/change-deadline.js';
import type { DatabaseClock } from '../../src/shared/database/database-clock.js';
import { requestContext, RunningRequest } from '../../src/shared/logging/request-context.js';
import type { Task } from '../../src/tasks/task.entity.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { openRepositories, type Repositories } from '../support/stores/repositories.js';

jest.setTimeout(60_000);

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;
let actor: Actor;
let tasks: Task[];
beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  repositories = await openRepositories(database.url);
});
beforeEach(async () => {
  const user = await repositories.users.create({ name: 'Ada' }, (one) => one);
  actor = { id: user.uuid, key: user.id } as Actor;
  tasks = await repositories.tasks.createAll(actor, upTo(10).map((n) => ({ title: `task ${n}` }))); // prettier-ignore
});
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});

const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);
const change = (task: Task | undefined, patch: Partial<Task>, versions?: number[]) =>
  repositories.tasks.updateOwned(actor, task!.uuid, patch, versions ? { versions, isRequired: true } : null);
const codeOf = (result: PromiseSettledResult<unknown>): unknown =>
  result.status === 'fulfilled' ? 'done' : (result.reason as { code?: unknown }).code;

it('each returns its own values and records its own event, in the order of the versions, with few commits', async () => {
  const wanted = upTo(3).flatMap((turn) => tasks.map((task, at) => ({ task, title: `${at} for the ${turn}. time` })));
  let changed: Task[] = [];
  const commits = await countingCommits(async () => {
    changed = await Promise.all(wanted.map(({ task, title }) => change(task, { title })));
  });
  expect(changed.map(({ uuid, title }) => [uuid, title])).toEqual(wanted.map(({ task, title }) => [task.uuid, title]));
  for (const { uuid } of tasks) {
    const versions = changed.filter((one) => one.uuid === uuid).map(({ version }) => version);
    expect(versions.sort()).toEqual([2, 3, 4]);
    const { rows } = await client.query<{ version: number; title: string; before: string }>(
      `SELECT (data->'after'->>'version')::integer AS version, data->'after'->>'title' AS title, data->'before'->>'title' AS before
       FROM new_events WHERE subject_id = $1 AND name = 'task.updated' ORDER BY id`,
      [uuid],
    );
    expect(rows.map(({ version }) => version)).toEqual([2, 3, 4]);
    for (const [at, { before }] of rows.slice(1).entries()) expect(before).toBe(rows[at]?.title);
    for (const { version, title } of rows)
      expect(changed.find((one) => one.uuid === uuid && one.version === version)?.title).toBe(title);
  }
  expect(commits).toBeGreaterThan(0);
  expect(commits).toBeLessThan(4);
});

it('of several that expect the same version exactly one succeeds', async () => {
  const results = await Promise.allSettled(upTo(8).map((n) => change(tasks[0], { title: `by ${n}` }, [1])));
  expect(results.map(codeOf).sort()).toEqual(['VERSION_STALE', 'VERSION_STALE', 'VERSION_STALE', 'VERSION_STALE', 'VERSION_STALE', 'VERSION_STALE', 'VERSION_STALE', 'done']); // prettier-ignore
});

it('one that the database refuses fails alone', async () => {
  const titles = ['a', 'x'.repeat(201), 'c', 'd'];
  const results = await Promise.allSettled(titles.map((title, at) => change(tasks[at], { title })));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
});

it("one of another user's row or of a deleted row is not found, and the others succeed", async () => {
  const user = await repositories.users.create({ name: 'Eve' }, (one) => one);
  const eve = { id: user.uuid, key: user.id } as Actor;
  await repositories.tasks.deleteOwned(actor, tasks[1]!.uuid, null);
  const results = await Promise.allSettled([
    change(tasks[0], { title: 'a' }),
    change(tasks[1], { title: 'b' }),
    repositories.tasks.updateOwned(eve, tasks[2]!.uuid, { title: 'stolen' }, null),
    change(tasks[3], { title: 'd' }),
  ]);
  expect(results.map(codeOf)).toEqual(['done', 'TASK_NOT_FOUND', 'TASK_NOT_FOUND', 'done']);
});

it('one whose request has ended writes nothing, and the other one of the group changes its row once', async () => {
  const running = new RunningRequest('ended');
  const ended = requestContext.run(running, () => change(tasks[0], { title: 'never' }));
  const other = change(tasks[1], { title: 'once' });
  running.cancel('hung up');
  await expect(ended).rejects.toMatchObject({ code: 'REQUEST_CANCELLED' });
  expect(await other).toMatchObject({ title: 'once', version: 2 });
  const { rows } = await client.query<{ id: string }>(
    `SELECT subject_id AS id FROM new_events WHERE name = 'task.updated' AND subject_id = ANY ($1)`,
    [tasks.map(({ uuid }) => uuid)],
  );
  expect(rows).toEqual([{ id: tasks[1]!.uuid }]);
});

it('a locked row delays only its own change', async () => {
  await client.query('BEGIN');
  await client.query('SELECT FROM tasks WHERE uuid = $1 FOR UPDATE', [tasks[0]!.uuid]);
  const done: string[] = [];
  const changes = tasks.slice(0, 5).map((task, at) => change(task, { title: 'new' }).then(() => done.push(String(at))));
  await Promise.all(changes.slice(1));
  expect(done).not.toContain('0');
  await client.query('COMMIT');
  await changes[0];
});

it('none is made when the deadline passes before the commit, although each began in time', async () => {
  const late = await ChangeDeadline.after(0, { lowerBoundAt: () => Promise.resolve(0) } as unknown as DatabaseClock);
  const cache = { changing: (_tags: unknown, work: (deadline: ChangeDeadline) => unknown) => work(late) };
  const changes = new GatheredChanges<string>(repositories.transaction, cache as unknown as CacheService, () => 'made');
  const wanted = tasks.slice(0, 3).map(({ uuid }) =>
    changes.change({
      tags: [],
      statement: () => ({ text: `UPDATE tasks SET title = 'late' WHERE uuid = $1 RETURNING id`, values: [uuid] }),
      alone: () => Promise.resolve('tried alone'),
    }),
  ); // prettier-ignore
  expect(await Promise.all(wanted)).toEqual(['tried alone', 'tried alone', 'tried alone']);
  expect((await client.query(`SELECT FROM tasks WHERE title = 'late'`)).rowCount).toBe(0);
});

/** Counts the commits of gathered changes. */
async function countingCommits(work: () => Promise<void>): Promise<number> {
  const spy = jest.spyOn(pg.Client.prototype, 'query');
  await work();
  const calls = spy.mock.calls as unknown as Array<[pg.QueryConfig]>;
  spy.mockRestore();
  return calls.filter(([{ text }]) => text === 'COMMIT').length;
}
