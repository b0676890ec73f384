// Checks the queue statistics: the numbers are right, every queue is listed, and finished jobs are not scanned.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import type { JobStatsDto, QueueStatsDto } from '../../src/workers/api/dto/job-stats.dto.js';
import type { Wire } from '../support/http/api.js';
import { explain, nodesOf, rowsReadBy } from '../support/engines/query-plan.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

/** No process consumes this queue. */
const QUEUE = 'nobodys';

let server: TestServer;
let root: Person;
beforeAll(async () => {
  server = await startServer();
  root = await server.makeAdmin();
});
beforeEach(async () => {
  // One table after the other, since the server works on them too.
  for (const table of ['jobs', 'job_counts']) await server.sql(`DELETE FROM ${table}`);
});
afterAll(() => server.close());

const read = async (): Promise<Wire<JobStatsDto>> => (await root.api.get<Wire<JobStatsDto>>('/api/jobs/stats')).body;

async function statsOf(queue: string): Promise<Wire<QueueStatsDto> | undefined> {
  return (await read()).queues.find((one) => one.queue === queue);
}

/** Inserts `count` rows with keys from `from` on; `columns` is SQL for the values that differ. */
async function fill(from: number, count: number, columns: Record<string, string>): Promise<void> {
  await server.sql(
    `INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, ${Object.keys(columns).join()})
     SELECT n, gen_random_uuid(), 'test.none', '${QUEUE}', '{}', 1, ${Object.values(columns).join()}
     FROM generate_series(${from}, ${from + count - 1}) AS n`,
  );
}

/** Waits until the current minute has enough time left for a write and a read. */
const withinOneMinute = (): Promise<unknown> => until(() => new Date().getUTCSeconds() < 50, 'a new minute', 15_000);

it('lists every queue that this version has job types for, even if it was never used', async () => {
  const { driver, broker, queues } = await read();
  expect([driver, broker]).toEqual(['postgres', null]);
  const none = { succeeded: 0, retried: 0, dead: 0 };
  expect(queues.find(({ queue }) => queue === 'maintenance')).toEqual({
    queue: 'maintenance', waiting: 0, delayed: 0, running: 0, dead: 0, oldestWaitMs: null, workers: 0, concurrency: 1, perMinute: none, lastHour: none,
  }); // prettier-ignore
  expect(queues.map(({ queue }) => queue)).toEqual(queues.map(({ queue }) => queue).toSorted());
});

it('counts waiting, running and dead jobs, and the age of the oldest waiting one', async () => {
  const hour = `interval '1 hour'`;
  await fill(1, 3, { status: `'QUEUED'`, run_at: `now() - n * interval '1 min'` });
  await fill(10, 2, { status: `'RETRYING'`, run_at: `now() - interval '1 s'` });
  await fill(20, 4, { status: `'RETRYING'`, run_at: `now() + ${hour}` });
  const [one, other] = [randomUUID(), randomUUID()];
  await fill(30, 5, {
    status: `'RUNNING'`,
    lease_until: `now() + ${hour}`,
    worker: `(CASE WHEN n % 2 = 0 THEN '${one}' ELSE '${other}' END)::uuid`,
  });
  await fill(40, 6, { status: `'FAILED'`, finished_at: 'now()' });
  await fill(50, 7, { status: `'FAILED'`, finished_at: 'now()', deleted_at: 'now()' });
  await fill(60, 8, { status: `'SUCCEEDED'`, finished_at: 'now()' });
  await fill(70, 9, { status: `'CANCELLED'`, finished_at: 'now()' });
  const stats = await statsOf(QUEUE);
  expect(stats).toMatchObject({ waiting: 5, delayed: 4, running: 5, workers: 2, dead: 6, concurrency: null });
  expect(stats?.oldestWaitMs).toBeGreaterThanOrEqual(180_000);
  expect(stats?.oldestWaitMs).toBeLessThan(190_000);
});

it('counts no job as waiting when all are scheduled for later', async () => {
  await fill(1, 1, { status: `'QUEUED'`, run_at: `now() + interval '1 min'` });
  expect(await statsOf(QUEUE)).toMatchObject({ waiting: 0, delayed: 1, oldestWaitMs: null });
});

describe('the rates of a queue', () => {
  const count = (minutesAgo: number, succeeded: number, retried: number, dead: number) =>
    server.sql(
      `INSERT INTO job_counts VALUES ($1, date_trunc('minute', now()) - $2 * interval '1 min', $3, $4, $5)`,
      QUEUE, minutesAgo, succeeded, retried, dead,
    ); // prettier-ignore

  it('cover the last five full minutes and the last hour', async () => {
    await withinOneMinute();
    await count(61, 1_000, 1_000, 1_000);
    await count(60, 100, 0, 0);
    await count(6, 10, 0, 1);
    await count(5, 6, 1, 0);
    await count(1, 6, 1, 1);
    await count(0, 1, 0, 0);
    expect(await statsOf(QUEUE)).toMatchObject({
      perMinute: { succeeded: 2.4, retried: 0.4, dead: 0.2 },
      lastHour: { succeeded: 123, retried: 2, dead: 2 },
    });
  });

  it('count the jobs that were executed', async () => {
    expect((await root.api.post('/api/schedules/jobs.cleanup/run')).status).toBe(202);
    await until(
      async () => (await statsOf('maintenance'))?.lastHour.succeeded === 1,
      'the worker to report what it has done',
    );
  });
});

it('the statistics route is not read as a job id, and is refused to users', async () => {
  const { status, headers } = await root.api.get('/api/v1/jobs/stats');
  expect([status, headers.get('cache-control')]).toEqual([200, 'no-store']);
  const ada = await server.registerUser();
  expect(await ada.api.get('/api/jobs/stats')).toMatchObject({ status: 403, body: { code: 'FORBIDDEN' } });
});

it('the statistics read only the unfinished among 30,000 finished jobs', async () => {
  await fill(1, 30_000, { status: `'SUCCEEDED'`, finished_at: 'now()' });
  await fill(40_000, 20, { status: `'QUEUED'` });
  await fill(50_000, 10, { status: `'FAILED'`, finished_at: 'now()' });
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  try {
    await client.query('ANALYZE jobs');
    const text = readFileSync('src/workers/engine/sql/stats.sql', 'utf8');
    const plan = await explain(client, { text, values: [[QUEUE]] });
    const jobs = nodesOf(plan).filter((node) => node['Relation Name'] === 'jobs' && node['Node Type'] === 'Seq Scan');
    expect(jobs).toEqual([]);
    expect(rowsReadBy(plan)).toBeLessThan(200);
  } finally {
    await client.end();
  }
});
