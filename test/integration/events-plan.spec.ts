// Numbering, reading and trimming events cost the same however many events the log has.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import { EventLog } from '../../src/shared/events/event-log.js';
import { EventSequencer } from '../../src/shared/events/event-sequencer.js';
import type { EventSignals } from '../../src/shared/events/event-signals.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { explain, explainGeneric, nodesOf, rowsReadBy } from '../support/engines/query-plan.js';
import { openRepositories, type Repositories, type Statement } from '../support/stores/repositories.js';

jest.setTimeout(60_000);

const NO_SIGNALS = { publish: () => undefined } as unknown as EventSignals;
const [OWNERS, EVENTS_OF_OWNER, LIMIT] = [100, 1_000, 20];

let database: ClonedDatabase;
let client: pg.Client;
let repositories: Repositories;
beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  repositories = await openRepositories(database.url);
  // Two days, so that the events of an owner are in two partitions.
  await client.query(`
    INSERT INTO event_log (owner_id, sequence, at, name, data, numbered_at)
    SELECT owner, n, now(), 'task.updated', '{}', now() + (CASE WHEN n > ${EVENTS_OF_OWNER / 2} THEN interval '1 day' ELSE '0' END)
    FROM generate_series(1, ${OWNERS}) AS owner, generate_series(1, ${EVENTS_OF_OWNER}) AS n`);
  await client.query(`INSERT INTO event_heads SELECT owner, ${EVENTS_OF_OWNER} FROM generate_series(1, ${OWNERS}) AS owner`);
  await client.query('ANALYZE event_log, event_heads');
}); // prettier-ignore
afterAll(async () => {
  await repositories.close();
  await client.end();
  await database.drop();
});

async function cursorAt(sequence: number): Promise<string> {
  const { rows } = await client.query<{ epoch: string }>('SELECT event_epoch() AS epoch');
  return `${rows[0]?.epoch}.${sequence}`;
}

it.each([0, 400, 490, 990])('a page behind event %i of an owner reads its own events only', async (sequence) => {
  const log = new EventLog(repositories.transaction);
  const cursor = await cursorAt(sequence);
  const sent = await repositories.statementsOf(() => log.after('7', cursor, LIMIT));
  const [statement] = sent as [Statement];
  for (const plan of [explain, explainGeneric]) {
    const scans = nodesOf(await plan(client, statement)).filter((node) => node['Relation Name']?.startsWith('event_log'));
    expect(scans.length).toBeGreaterThan(0);
    const read = scans.map(rowsReadBy).reduce((sum, rows) => sum + rows);
    expect(read).toBeLessThanOrEqual(3 * LIMIT); // of each partition at most a page
  }
}); // prettier-ignore

it('numbering and trimming read no event of others', async () => {
  const settings = { retentionDays: 7, retentionCount: EVENTS_OF_OWNER };
  const sequencer = new EventSequencer(repositories.transaction, settings, NO_SIGNALS, pino({ enabled: false }));
  const NEW = 5;
  await client.query(
    `INSERT INTO new_events (name, is_published, is_audited, owner_id, data)
     SELECT 'task.updated', true, false, owner, '{}' FROM generate_series(1, ${OWNERS}) AS owner, generate_series(1, ${NEW})`,
  );
  await client.query('ANALYZE new_events'); // PostgreSQL knows that there are many, and would rather read a whole table
  const before = await read();
  await sequencer.catchUp();
  const after = await read();
  expect(await count('event_log WHERE owner_id = 7')).toBe(EVENTS_OF_OWNER);
  expect(await count('event_log WHERE owner_id = 7 AND sequence <= 5')).toBe(0);
  expect(after.deleted - before.deleted).toBe(NEW * OWNERS);
  expect(after.rows - before.rows).toBeLessThanOrEqual(3 * NEW * OWNERS);
});

const count = async (of: string): Promise<number> =>
  (await client.query<{ count: number }>(`SELECT count(*)::integer AS count FROM ${of}`)).rows[0]!.count;

/** Rows of the log that all statements have read and deleted so far, by PostgreSQL's own counters. */
async function read(): Promise<{ rows: number; deleted: number }> {
  // Each session reports its counters when it is idle, at the latest before it ends.
  await repositories.transaction.query({ text: 'SELECT pg_stat_force_next_flush()' });
  await client.query('SELECT pg_stat_force_next_flush()');
  const { rows } = await client.query<{ rows: number; deleted: number }>(`
    SELECT sum(seq_tup_read + idx_tup_fetch)::integer AS rows, sum(n_tup_del)::integer AS deleted
    FROM pg_stat_user_tables WHERE relname LIKE 'event_log_%'`);
  return rows[0]!;
}
