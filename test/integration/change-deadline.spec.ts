// The statement of a change outside a transaction changes nothing when its process was frozen after the announcement.
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { CacheChange } from '../../src/shared/cache/cache-change.js';
import { ChangeDeadline, ChangeTooLateError } from '../../src/shared/cache/change-deadline.js';
import { DatabaseClock } from '../../src/shared/database/database-clock.js';
import { servingOptions } from '../../src/shared/database/database.options.js';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { MAX_CHANGE_MS } from '../../src/shared/cache/memory.store.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { openRepositories, type Repositories } from '../support/stores/repositories.js';
import { testConfig } from '../support/config.js';

jest.setTimeout(60_000);

const UUID = '01990a5e-7e1c-7b2f-9c43-0d5f8f1f6a11';
const actor = { id: UUID, key: '1', role: 'USER' as const, sessionId: '' };

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;
beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  repositories = await openRepositories(database.url);
  await client.query(`
    INSERT INTO users (id, uuid, email) VALUES (1, '${UUID}', 'one@example.com');
    INSERT INTO sessions (id, uuid, user_id, salt, rotated_at, expires_at) VALUES (1, '${UUID}', 1, '', now(), now() + interval '1 day');
    INSERT INTO tasks (id, uuid, owner_id, owner_uuid, title) VALUES (1, '${UUID}', 1, '${UUID}', 'kept')`);
});
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});
afterEach(() => void jest.restoreAllMocks());

/** The process is frozen for so long after its last check. */
function freezeAfterAnnouncement(ms: number): void {
  const prepare = Object.getOwnPropertyDescriptor(CacheChange.prototype, 'prepare')?.value as () => Promise<void>;
  jest.spyOn(CacheChange.prototype, 'prepare').mockImplementation(async function (this: CacheChange) {
    await prepare.call(this);
    this.beganAt -= ms; // as if all of it were that long ago
  });
}

const rows = async () =>
  (
    await client.query<{ row: string }>(
      'SELECT users::text AS row FROM users UNION ALL SELECT sessions::text FROM sessions UNION ALL SELECT tasks::text FROM tasks',
    )
  ).rows;

const changes: Array<[string, () => Promise<unknown>]> = [
  ['a new task', () => repositories.tasks.create(actor, { title: 'new' })],
  ['a changed task', () => repositories.tasks.updateOwned(actor, UUID, { title: 'changed' }, null)],
  ['a deleted task', () => repositories.tasks.deleteOwned(actor, UUID, null)],
  ['a changed user', () => repositories.users.update(UUID, { name: 'changed' }, null)],
  ['a deleted user', () => repositories.users.delete(UUID, null)],
  ['an ended session', () => repositories.sessions.end(UUID, '1', 'logout')],
];

it.each(changes)('%s is refused', async (_what, change) => {
  const before = await rows();
  freezeAfterAnnouncement(10_000);
  await expect(change()).rejects.toThrow(ChangeTooLateError);
  expect(await rows()).toEqual(before);
  jest.restoreAllMocks();
  freezeAfterAnnouncement(3_000);
  await change();
  expect(await rows()).not.toEqual(before);
});

it('a statement that begins just before the deadline ends before others count the change as dead', async () => {
  const { extra } = servingOptions(testConfig(database.url).get(DatabaseSettings), database.url) as unknown as {
    extra: { statement_timeout: number };
  };
  const clock = { lowerBoundAt: async () => 0 } as unknown as DatabaseClock;
  const startMs = Date.parse((await ChangeDeadline.after(0, clock)).sql);
  expect(startMs + extra.statement_timeout).toBeLessThanOrEqual(MAX_CHANGE_MS - 2_500);
});

it('a change is refused when the clock was set forward since its last reading', async () => {
  await client.query(`UPDATE tasks SET deleted_at = NULL`);
  jest.spyOn(DatabaseClock.prototype, 'lowerBoundAt').mockResolvedValue(Date.now() - 60_000);
  await expect(repositories.tasks.updateOwned(actor, UUID, { title: 'late' }, null)).rejects.toThrow(
    ChangeTooLateError,
  );
  await expect(repositories.tasks.create(actor, { title: 'late' })).rejects.toThrow(ChangeTooLateError);
});
