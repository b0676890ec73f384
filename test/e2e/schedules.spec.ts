// Checks schedules over HTTP, and the built-in one that deletes finished jobs after some days.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SNOWFLAKE_EPOCH } from '../../src/shared/database/snowflake-ids.js';
import type { JobDto } from '../../src/workers/api/dto/job.dto.js';
import type { ScheduleDto } from '../../src/workers/api/dto/schedule.dto.js';
import type { Page, Wire } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type Schedule = Wire<ScheduleDto>;
type Job = Wire<JobDto>;

const NAME = 'jobs.cleanup';
const RETENTION = 3;
const DAY_MS = 86_400_000;

let server: TestServer;
let root: Person;
beforeAll(async () => {
  server = await startServer({ JOB_RETENTION: String(RETENTION) });
  root = await server.makeAdmin();
  await until(find, 'a leader');
});
beforeEach(() => server.sql('DELETE FROM jobs'));
afterAll(() => server.close());

async function find(): Promise<Schedule | undefined> {
  const { body } = await root.api.get<Page<Schedule>>('/api/schedules');
  return body.items.find(({ name }) => name === NAME);
}

const run = (api = root.api) => api.post<Job>(`/api/schedules/${NAME}/run`);

async function doneOf(id: string): Promise<Job> {
  return until(async () => {
    const { body } = await root.api.get<Job>(`/api/jobs/${id}`);
    return body.status === 'SUCCEEDED' && body;
  }, 'the job to be done');
}

it('schedules are listed with their next due time', async () => {
  const { status, body } = await root.api.get<Page<Schedule>>('/api/schedules');
  expect([status, body.nextCursor]).toEqual([200, null]);
  expect(body.items.map(({ name }) => name)).toEqual(body.items.map(({ name }) => name).toSorted());
  const cleanup = await find();
  expect(cleanup).toEqual({
    name: NAME,
    type: NAME,
    cron: '17 3 * * *',
    timeZone: 'UTC',
    nextRunAt: expect.stringMatching(/T03:17:00\.000Z$/),
    lastRunAt: null,
    lastJobId: null,
  });
  const ahead = Date.parse(cleanup?.nextRunAt ?? '') - Date.now();
  expect([ahead > -5_000, ahead <= DAY_MS]).toEqual([true, true]);
});

describe('a schedule that is run now', () => {
  it('returns the job, is recorded in the list and the audit log, and keeps its next due time', async () => {
    const before = await find();
    const { status, headers, body } = await run();
    expect([status, headers.get('location')]).toEqual([202, `/api/jobs/${body.id}`]);
    expect(body).toMatchObject({ type: NAME, queue: 'maintenance', ownerId: null });
    await doneOf(body.id);
    expect(await find()).toEqual({ ...before, lastJobId: body.id, lastRunAt: expect.any(String) });
    const { items } = (await root.api.get<Page<object>>('/api/audit-logs?action=schedule.run&limit=1')).body;
    expect(items[0]).toMatchObject({ actorId: root.user.id, details: { schedule: NAME, jobId: body.id } });
  });

  it('returns the waiting job if there is one', async () => {
    const [row] = await server.sql<{ uuid: string }>(
      `INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, unique_key, run_at)
       VALUES (1, $1, '${NAME}', 'maintenance', '{}', 3, 'one', now() + interval '1 hour') RETURNING uuid`,
      randomUUID(),
    );
    const answers = await Promise.all(Array.from({ length: 5 }, () => run()));
    for (const { status, body } of answers) expect([status, body.id]).toEqual([202, row?.uuid]);
    expect(await server.sql('SELECT 1 FROM jobs WHERE type = $1', NAME)).toHaveLength(1);
  });

  it('is refused to users, and for job types without a schedule', async () => {
    const ada = await server.registerUser();
    expect(await run(ada.api)).toMatchObject({ status: 403 });
    expect(await ada.api.get('/api/schedules')).toMatchObject({ status: 403 });
    for (const name of ['nothing', randomUUID(), 'constructor', '%00', 'report.pdf'])
      expect(await root.api.post(`/api/schedules/${name}/run`)).toMatchObject({
        status: 404,
        body: { code: 'SCHEDULE_NOT_FOUND' },
      });
    expect(await server.sql("SELECT 1 FROM jobs WHERE type IN ($1, 'report.pdf')", NAME)).toEqual([]);
  });
});

describe('the cleanup of finished jobs', () => {
  /** Inserts jobs with snowflake keys that were created `days` ago, with `name` to identify them. */
  async function fill(name: string, count: number, days: number, columns: Record<string, string>): Promise<void> {
    const first = BigInt(Date.now() - days * DAY_MS - SNOWFLAKE_EPOCH) << 22n;
    await server.sql(
      `INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, reason, ${Object.keys(columns).join()})
       SELECT ${first} + n, gen_random_uuid(), 'test.none', 'nobodys', '{}', 1, $1, ${Object.values(columns).join()}
       FROM generate_series(1, ${count}) AS n`,
      name,
    );
  }

  const ago = (days: number): string => `now() - interval '${days} days'`;
  const left = async (): Promise<string[]> =>
    (await server.sql<{ reason: string }>(`SELECT DISTINCT reason FROM jobs WHERE queue = 'nobodys' ORDER BY 1`)).map(
      ({ reason }) => reason,
    );

  it('deletes jobs that finished or were cancelled or discarded more than JOB_RETENTION ago, and nothing else', async () => {
    await fill('done', 2_500, 9, { status: `'SUCCEEDED'`, finished_at: ago(8) });
    await fill('cancelled', 3, 5, { status: `'CANCELLED'`, finished_at: ago(4) });
    await fill('discarded', 2, 4, { status: `'FAILED'`, finished_at: ago(4), deleted_at: ago(3.5) });
    const kept: Array<[string, number, Record<string, string>]> = [
      ['dead for long', 8, { status: `'FAILED'`, finished_at: ago(8) }],
      ['discarded a day ago', 8, { status: `'FAILED'`, finished_at: ago(8), deleted_at: ago(1) }],
      ['done two days ago', 8, { status: `'SUCCEEDED'`, finished_at: ago(2) }],
      ['for tomorrow', 8, { status: `'QUEUED'`, run_at: `now() + interval '1 day'` }],
      ['waiting for long', 8, { status: `'RETRYING'`, run_at: ago(7) }],
      ['young', 2, { status: `'SUCCEEDED'`, finished_at: ago(1) }],
    ];
    for (const [name, days, columns] of kept) await fill(name, 2, days, columns);
    expect(await left()).toHaveLength(kept.length + 3);
    await server.sql(
      `INSERT INTO job_counts VALUES ('old', now() - interval '25 hours'), ('new', now() - interval '23 hours')`,
    );
    expect((await doneOf((await run()).body.id)).result).toEqual({ deleted: 2_505 });
    expect(await left()).toEqual(kept.map(([name]) => name).toSorted());
    expect(await server.sql(`SELECT queue FROM job_counts WHERE queue IN ('old', 'new')`)).toEqual([{ queue: 'new' }]);
  });

  it('deletes nothing from an empty database', async () => {
    expect((await doneOf((await run()).body.id)).result).toEqual({ deleted: 0 });
  });
});
