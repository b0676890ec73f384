// The event log: events of one object in the order of its changes, numbers without holes, cursors that never skip an event.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { pino } from 'pino';
import type { Actor } from '../../src/common/access/permissions.js';
import { EventLog, type LoggedEvent } from '../../src/shared/events/event-log.js';
import type { EventSignals } from '../../src/shared/events/event-signals.js';
import { EventSequencer } from '../../src/shared/events/event-sequencer.js';
import { defineEvent, type RowChange } from '../../src/shared/events/event.js';
import { Events } from '../../src/shared/events/events.js';
import { toTaskDto } from '../../src/tasks/dto/task.dto.js';
import type { Task } from '../../src/tasks/task.entity.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { openRepositories, type Repositories } from '../support/stores/repositories.js';

jest.setTimeout(60_000);

const SETTINGS = { retentionDays: 7, retentionCount: 1_000 };
const NO_SIGNALS = { publish: () => undefined } as unknown as EventSignals;

let database: ClonedDatabase;
let repositories: Repositories;
let client: pg.Client;
let log: EventLog;
let sequencer: EventSequencer;
let actor: Actor;
let task: Task;
beforeAll(async () => {
  database = await cloneDatabase();
  repositories = await openRepositories(database.url);
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  const { transaction } = repositories;
  log = new EventLog(transaction);
  sequencer = new EventSequencer(transaction, SETTINGS, NO_SIGNALS, pino({ enabled: false }));
});
beforeEach(async () => {
  const user = await repositories.users.create({ name: 'Ada' }, (one) => one);
  actor = { id: user.uuid, key: user.id } as Actor;
  task = await repositories.tasks.create(actor, { title: 'version 1' });
});
afterAll(async () => {
  await client.end();
  await repositories.close();
  await database.drop();
});

const change = (title: string) => repositories.tasks.updateOwned(actor, task.uuid, { title }, null);
const dataOf = (event: LoggedEvent): RowChange => event.data as RowChange;

/** Reads all events of the actor, in pages of `limit`. */
async function readAll(limit = 100, from?: string): Promise<LoggedEvent[]> {
  const all: LoggedEvent[] = [];
  let cursor = from ?? `${(await log.head(actor.key)).split('.')[0]}.0`;
  for (;;) {
    const page = await log.after(actor.key, cursor, limit);
    if (page === 'GAP') throw new Error(`A gap at ${cursor}`);
    if (page.events.length === 0) return all;
    all.push(...page.events);
    ({ cursor } = page);
  }
}

const numbersOf = (events: readonly LoggedEvent[]): number[] =>
  events.map(({ cursor }) => Number(cursor.split('.')[1]));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

it('50 concurrent changes of one task are logged in their order, each with the value before it', async () => {
  await Promise.all(Array.from({ length: 50 }, (_, at) => change(`title ${at}`)));
  await sequencer.catchUp();
  const events = (await readAll(7)).filter(({ name }) => name.startsWith('task.'));
  expect(events.map(({ name, subjectId }) => [name, subjectId])).toEqual(
    upTo(51).map((number) => [number === 1 ? 'task.created' : 'task.updated', task.uuid]),
  );
  expect(events.map((event) => dataOf(event).after['version'])).toEqual(upTo(51));
  for (const [index, event] of events.slice(1).entries())
    expect(dataOf(event).before).toEqual({ title: dataOf(events[index]!).after['title'] });
});

it('the data of a change contains only what differs, and times as answers have them', async () => {
  const dueAt = new Date('2027-01-02T03:04:05.678Z');
  await repositories.tasks.updateOwned(actor, task.uuid, { title: 'version 1', priority: 5, dueAt }, null);
  await sequencer.catchUp();
  const { after, before } = dataOf((await readAll()).at(-1)!);
  expect(before).toEqual({ priority: 3, dueAt: null });
  expect(after).toMatchObject({ id: task.uuid, ownerId: actor.id, priority: 5, dueAt: '2027-01-02T03:04:05.678Z' });
});

it('the data of a task has the members that clients see', async () => {
  await sequencer.catchUp();
  const { after } = dataOf((await readAll()).at(-1)!);
  expect(Object.keys(after).sort()).toEqual(Object.keys(toTaskDto(task)).sort());
});

it('an event that the logs cannot store is refused when it is emitted, so it stops no other', async () => {
  const events = new Events(repositories.transaction);
  const Odd = defineEvent<{ text: string }>('test.odd', { audited: true });
  await expect(events.emit(Odd, { text: '\u0000' })).rejects.toThrow('unsupported Unicode escape sequence');
  await events.emit(Odd, { text: 'fine' });
  await sequencer.catchUp();
  expect((await client.query(`SELECT FROM audit_log WHERE action = 'test.odd'`)).rowCount).toBe(1);
});

it('a change that is rolled back or refused leaves no event', async () => {
  const { transaction, tasks } = repositories;
  await expect(
    transaction.run(async () => {
      await change('never');
      throw new Error('rolled back');
    }),
  ).rejects.toThrow('rolled back');
  await expect(
    tasks.updateOwned(actor, task.uuid, { title: 'x' }, { versions: [7], isRequired: true }),
  ).rejects.toThrow();
  await sequencer.catchUp();
  expect((await readAll()).map(({ name }) => name)).toEqual(['user.created', 'task.created']);
});

it('an event that is committed late gets a later number, so a reader finds it behind its cursor', async () => {
  await client.query('BEGIN');
  await client.query(
    `INSERT INTO new_events (name, is_published, is_audited, owner_id, data) VALUES ('test.late', true, false, $1, '{}')`,
    [actor.key],
  );
  await change('version 2');
  await sequencer.catchUp();
  const early = await readAll();
  expect(early.map(({ name }) => name)).toEqual(['user.created', 'task.created', 'task.updated']);
  await client.query('COMMIT');
  await sequencer.catchUp();
  expect((await readAll(100, early.at(-1)!.cursor)).map(({ name }) => name)).toEqual(['test.late']);
});

it('several processes that number at once leave no hole and no event twice', async () => {
  const others = Array.from(
    { length: 4 },
    () => new EventSequencer(repositories.transaction, SETTINGS, NO_SIGNALS, pino({ enabled: false })),
  );
  const working = { isOver: false };
  const numbering = others.map(async (one) => {
    while (!working.isOver) await one.catchUp();
  });
  await Promise.all(Array.from({ length: 200 }, (_, at) => repositories.tasks.create(actor, { title: `task ${at}` })));
  working.isOver = true;
  await Promise.all(numbering);
  await sequencer.catchUp();
  const events = await readAll(33);
  expect(numbersOf(events)).toEqual(upTo(202));
  expect(new Set(events.map(({ subjectId }) => subjectId)).size).toBe(202);
  const { rows } = await client.query<{ holes: number }>(
    `SELECT (max(position) - count(*))::integer AS holes FROM audit_log`,
  );
  expect(rows[0]?.holes).toBe(0);
});

describe('a cursor', () => {
  it('at the head returns no event and itself', async () => {
    await sequencer.catchUp();
    const head = await log.head(actor.key);
    expect(await log.after(actor.key, head, 10)).toEqual({ events: [], cursor: head });
  });

  it.each([
    ['is no cursor', () => 'x'],
    ['has another epoch', (head: string) => head.replace(/^.{12}/, '0123456789ab')],
    ['is ahead of the log', (head: string) => head.replace(/\d+$/, '999')],
  ])('that %s is answered with GAP', async (_what, of) => {
    await sequencer.catchUp();
    expect(await log.after(actor.key, of(await log.head(actor.key)), 10)).toBe('GAP');
  });

  it('whose events were trimmed is answered with GAP, also when none is left', async () => {
    await sequencer.catchUp();
    const [first] = await readAll();
    await client.query('DELETE FROM event_log WHERE owner_id = $1 AND sequence = 2', [actor.key]);
    expect(await log.after(actor.key, first!.cursor, 10)).toBe('GAP');
    await change('version 2');
    await sequencer.catchUp();
    expect(await log.after(actor.key, first!.cursor, 10)).toBe('GAP');
  });
});

it('an owner keeps the latest events, up to the limit', async () => {
  const { transaction, tasks } = repositories;
  const modest = new EventSequencer(
    transaction,
    { ...SETTINGS, retentionCount: 100 },
    NO_SIGNALS,
    pino({ enabled: false }),
  );
  const epoch = (await log.head(actor.key)).split('.')[0];
  for (const count of [120, 30]) {
    await tasks.createAll(
      actor,
      Array.from({ length: count }, () => ({ title: 'one of many' })),
    );
    await modest.catchUp();
  }
  const { rows } = await client.query<{ sequence: string }>(
    'SELECT sequence FROM event_log WHERE owner_id = $1 ORDER BY sequence',
    [actor.key],
  );
  expect(rows.map(({ sequence }) => Number(sequence))).toEqual(upTo(152).slice(52));
  expect(await log.after(actor.key, `${epoch}.51`, 10)).toBe('GAP');
  expect(await log.after(actor.key, `${epoch}.52`, 10)).not.toBe('GAP');
});

it('partitions exist for three days, and go when all their events are older than the retention', async () => {
  const partitions = async (): Promise<string[]> =>
    (
      await client.query<{ name: string }>(
        `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'event_log'::regclass ORDER BY 1`,
      )
    ).rows.map(({ name }) => name);
  const kept = await partitions();
  expect(kept).toHaveLength(3);
  await client.query(
    `CREATE TABLE event_log_20200101 PARTITION OF event_log FOR VALUES FROM ('2020-01-01') TO ('2020-01-02')`,
  );
  await client.query('SELECT keep_event_partitions(7)');
  expect(await partitions()).toEqual(kept);
});
