// Queue fairness: owners take turns in a queue, and each owner has a maximum number of waiting and running jobs.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Actor, Owner } from '../../src/common/access/permissions.js';
import { TextField } from '../../src/common/decorators/fields.decorator.js';
import { defineJob, Handles, type JobContext, type JobHandler, LongJob } from '../../src/workers/job.js';
import { JobsService } from '../../src/workers/api/jobs.service.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { type JobApplication, openJobApplication } from '../support/jobs/job-application.js';
import { buffersOf, explain, type PlanNode, rowsReadBy } from '../support/engines/query-plan.js';
import { rabbitNames } from '../support/engines/rabbit-names.js';
import { rabbitAnswers } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

const RUNNING_QUOTA = 3;
const QUOTA = 12;

class WordPayload {
  @TextField({ max: 100 })
  word!: string;
}
/** Long enough for a backlog to form while a retry waits. */
const BACKOFF_MS = 1_500;
const common = {
  payload: WordPayload,
  attempts: 2,
  backoff: () => BACKOFF_MS,
  timeoutMs: 60_000,
  requestable: 'anyone',
} as const;
const One = defineJob({ ...common, name: 'test.one', queue: 'one-at-a-time', concurrency: 1 });
const Many = defineJob({ ...common, name: 'test.many', queue: 'many-at-a-time', concurrency: 8 });
/** As many slots as one owner may have running. */
const Few = defineJob({ ...common, name: 'test.few', queue: 'few-at-a-time', concurrency: RUNNING_QUOTA });
const long = { name: 'long-ones', concurrency: 1 };
const Long = defineJob({ ...common, name: 'test.long', queue: 'short-ones', concurrency: 1, longQueue: long });

const begun: string[] = [];
let running = 0;
let mostRunning = 0;
let gate = Promise.resolve();
let openGate = (): void => undefined;
const closeGate = (): void => void (gate = new Promise((resolve) => (openGate = resolve)));

class Noting implements JobHandler<WordPayload> {
  async run({ word }: WordPayload, { attempt }: JobContext) {
    begun.push(word);
    mostRunning = Math.max(mostRunning, ++running);
    await gate;
    running--;
    if (word === 'fails once' && attempt === 1) throw new Error('as asked');
  }
}
@Handles(One)
class OneHandler extends Noting {}
@Handles(Many)
class ManyHandler extends Noting {}
@Handles(Few)
class FewHandler extends Noting {}
@Handles(Long)
class LongHandler extends Noting {
  override async run(payload: WordPayload, job: JobContext) {
    if (payload.word.startsWith('long') && job.queue === Long.queue) throw new LongJob();
    await super.run(payload, job);
  }
}

const words = (prefix: string, count: number) => Array.from({ length: count }, (_, n) => ({ word: `${prefix} ${n}` }));

describe('a job claim', () => {
  let database: ClonedDatabase;
  let client: pg.Client;
  const ROWS = 20_000;

  beforeAll(async () => {
    database = await cloneDatabase();
    client = new pg.Client({ connectionString: database.url });
    await client.connect();
    await client.query(`
      INSERT INTO users (id, uuid, email) SELECT n, gen_random_uuid(), 'user' || n || '@example.com' FROM generate_series(1, ${ROWS}) n`);
    const fill = (from: number, owner: string, runAt: string, turn: string) =>
      client.query(`
        INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, owner_id, owner_uuid, run_at, turn)
        SELECT ${from} + n, gen_random_uuid(), 'test', 'deep', '{}', 3, ${owner}, gen_random_uuid(), ${runAt}, ${turn}
        FROM generate_series(1, ${ROWS}) n`);
    await fill(1_000_000, '1', 'now()', `now() + (n - 1) * interval '1 hour'`); // all jobs of one owner
    await fill(2_000_000, 'n', 'now()', 'now()'); // one job per owner
    await fill(3_000_000, 'n', `now() + interval '1 day'`, 'NULL'); // not due
    await client.query('ANALYZE');
  });
  afterAll(async () => {
    await client.end();
    await database.drop();
  });

  async function planOf(file: string, values: unknown[]): Promise<PlanNode> {
    const text = readFileSync(`src/workers/engine/sql/${file}.sql`, 'utf8');
    await client.query('BEGIN');
    return explain(client, { text, values }).finally(() => client.query('ROLLBACK'));
  }
  const worker = '00000000-0000-4000-8000-000000000000';

  it.each([
    ['in turn order', false],
    ['for starving jobs', true],
  ])('%s reads only the rows that it takes, with any number of waiting or delayed jobs', async (_which, starving) => {
    const plan = await planOf('claim', ['deep', 10, worker, 10_000, starving, 4, 4]);
    expect(plan['Actual Rows']).toBe(starving ? 0 : 10);
    expect(rowsReadBy(plan)).toBeLessThan(150);
    expect(buffersOf(plan)).toBeLessThan(600);
  });

  it('promotes delayed jobs by reading only due rows', async () => {
    const plan = await planOf('line-up', [['deep', 'empty'], 500]);
    expect(rowsReadBy(plan)).toBeLessThan(10);
  });
});

const place = rabbitNames();
afterAll(() => place.forget(new Set([One.queue, Many.queue, Few.queue, Long.queue, long.name])));

describe('fair turns on postgres', () => contract({}));
(rabbitAnswers ? describe : describe.skip)('fair turns on rabbitmq', () => contract(place.env));

function contract(env: Record<string, string>): void {
  let database: ClonedDatabase;
  let app: JobApplication;
  let owners: Owner[];

  beforeAll(async () => {
    database = await cloneDatabase();
    const limits = { JOB_QUOTA: String(QUOTA), JOB_RUNNING_QUOTA: String(RUNNING_QUOTA) };
    app = await openJobApplication(database.url, [OneHandler, ManyHandler, FewHandler, LongHandler], {
      ...env,
      ...limits,
    });
    owners = await app.transaction.query<Owner & Record<string, string>>({
      text: `INSERT INTO users (id, uuid, email) SELECT n, gen_random_uuid(), 'user' || n || '@example.com' FROM generate_series(1, 50) n
             RETURNING id AS key, uuid AS id`,
    });
    await app.work();
  });
  afterAll(async () => {
    openGate();
    await app.close();
    await database.drop();
  });

  const owner = (n: number): Owner => owners[n] as Owner;
  const unfinished = async (): Promise<number> => {
    const rows = await app.transaction.query<{ status: string }>({
      text: `SELECT status FROM jobs WHERE status NOT IN ('SUCCEEDED', 'CANCELLED')`,
    });
    expect(rows.filter(({ status }) => status === 'FAILED')).toEqual([]);
    return rows.length;
  };
  const allDone = () => until(async () => (await unfinished()) === 0, 'all jobs to finish', 90_000);

  /** Returns the jobs that began after the gate opened; `fill` enqueues them behind a job that holds the only slot. */
  async function orderOf(fill: () => Promise<unknown>): Promise<string[]> {
    begun.length = 0;
    closeGate();
    await app.queue.enqueue(One, { word: 'holds the place' });
    await until(() => begun.length === 1, 'the slot to be taken');
    await fill();
    openGate();
    await allDone();
    return begun.slice(1);
  }

  it('a job of one owner begins at most two jobs after its arrival, with any backlog of another owner', async () => {
    const order = await orderOf(async () => {
      await app.queue.enqueueAll(One, words('flood', 200), { owner: owner(0) });
      await app.queue.enqueue(One, { word: 'single' }, { owner: owner(1) });
    });
    expect(order).toHaveLength(201);
    expect(order.indexOf('single')).toBeLessThanOrEqual(2);
  });

  it('an owner gains no extra turns by enqueueing one by one, later, or for a later time', async () => {
    const runAt = new Date(Date.now() + 300);
    const order = await orderOf(async () => {
      await app.queue.enqueueAll(One, words('delayed', 60), { owner: owner(0), runAt });
      for (const payload of words('flood', 30)) await app.queue.enqueue(One, payload, { owner: owner(0) });
      await until(async () => {
        const [row] = await app.transaction.query<{ count: string }>({
          text: `SELECT count(*) FROM jobs WHERE turn IS NOT NULL AND status = 'QUEUED'`,
        });
        return Number(row?.count) === 90;
      }, 'the delayed jobs to be queued');
      await app.queue.enqueue(One, { word: 'single' }, { owner: owner(1) });
    });
    expect(order).toHaveLength(91);
    expect(order.indexOf('single')).toBeLessThanOrEqual(2);
  });

  it('two owners with many jobs alternate, and system jobs without an owner wait for neither', async () => {
    const order = await orderOf(async () => {
      await app.queue.enqueueAll(One, words('a', 20), { owner: owner(0) });
      await app.queue.enqueueAll(One, words('b', 20), { owner: owner(1) });
      await app.queue.enqueueAll(One, words('system', 3));
    });
    expect(order.slice(0, 5).toSorted()).toEqual(['a 0', 'b 0', 'system 0', 'system 1', 'system 2']);
    const rest = order.slice(5).map((word) => word[0]);
    for (let n = 0; n + 1 < rest.length; n += 2) expect([rest[n], rest[n + 1]].toSorted()).toEqual(['a', 'b']);
  });

  it('a retry does not wait for the whole backlog of another owner', async () => {
    const { id } = await app.queue.enqueue(One, { word: 'fails once' }, { owner: owner(1) });
    const rowOf = async () => {
      const text = 'SELECT status, turn FROM jobs WHERE uuid = $1';
      return (await app.transaction.query<{ status: string; turn: Date | null }>({ text, values: [id] }))[0];
    };
    await until(async () => (await rowOf())?.status === 'RETRYING', 'the first attempt to fail');
    const order = await orderOf(async () => {
      await app.queue.enqueueAll(One, words('flood', 100), { owner: owner(0) });
      await until(async () => (await rowOf())?.turn, 'the retry to be queued');
    });
    expect(order.indexOf('fails once')).toBeLessThanOrEqual(2);
  });

  it('one owner runs at most JOB_RUNNING_QUOTA jobs at once, and other owners use the free slots', async () => {
    begun.length = 0;
    mostRunning = 0;
    closeGate();
    await app.queue.enqueueAll(Many, words('flood', 30), { owner: owner(0) });
    await until(() => running === RUNNING_QUOTA, 'as many to run as may');
    await app.queue.enqueueAll(Many, words('other', 2), { owner: owner(1) });
    await until(() => running === RUNNING_QUOTA + 2, 'the others to run beside them');
    expect(begun.filter((word) => word.startsWith('flood'))).toHaveLength(RUNNING_QUOTA);
    openGate();
    await allDone();
    expect(begun).toHaveLength(32);
    expect(mostRunning).toBe(RUNNING_QUOTA + 2);
  });

  it('one owner leaves one slot of a queue to the others', async () => {
    begun.length = 0;
    closeGate();
    await app.queue.enqueueAll(Few, words('flood', 10), { owner: owner(0) });
    await until(() => running === RUNNING_QUOTA - 1, 'the slots but one to be taken');
    await app.queue.enqueue(Few, { word: 'other' }, { owner: owner(1) });
    await until(() => running === RUNNING_QUOTA, 'the other owner to have the last slot');
    expect(begun.at(-1)).toBe('other');
    openGate();
    await allDone();
    expect(begun).toHaveLength(11);
  });

  it('long jobs move to the long queue of their type, and short ones do not wait for them', async () => {
    begun.length = 0;
    closeGate();
    const ids: string[] = [];
    for (let n = 0; n < 3; n++)
      ids.push((await app.queue.enqueue(Long, { word: `long ${n}` }, { owner: owner(n) })).id);
    await until(() => running === 1, 'a long one to run');
    await app.queue.enqueue(Long, { word: 'short' }, { owner: owner(3) });
    await until(() => running === 2, 'the short one to run beside it');
    expect(begun).toEqual(['long 0', 'short']);
    openGate();
    await allDone();
    const moved = await app.transaction.query({
      text: 'SELECT queue, max_attempts - attempt AS remaining, errors FROM jobs WHERE uuid = ANY ($1) ORDER BY id',
      values: [ids],
    });
    expect(moved).toEqual(ids.map(() => ({ queue: long.name, remaining: 1, errors: [] }))); // of two attempts, one was spent
  });

  it('one owner has at most JOB_QUOTA waiting jobs, even when many arrive at once', async () => {
    const actor: Actor = { ...owner(2), role: 'USER', sessionId: '' };
    const runAt = new Date(Date.now() + 3_600_000);
    const ask = () => app.get(JobsService).request(actor, { type: 'test.one', payload: { word: 'later' }, runAt });
    const answers = await Promise.allSettled(Array.from({ length: 3 * QUOTA }, ask));
    const refused = answers.flatMap((answer) => (answer.status === 'rejected' ? [answer.reason as object] : []));
    expect(refused).toHaveLength(2 * QUOTA);
    for (const reason of refused) expect(reason).toMatchObject({ code: 'JOB_QUOTA_EXCEEDED', status: 409 });
    await app.transaction.query({
      text: `UPDATE jobs SET status = 'CANCELLED' WHERE owner_id = $1`,
      values: [actor.key],
    });
    await expect(ask()).resolves.toMatchObject({ status: 'QUEUED' });
    await app.transaction.query({
      text: `UPDATE jobs SET status = 'CANCELLED' WHERE owner_id = $1`,
      values: [actor.key],
    });
  });
}
