// The statements that workers send all the time cost the same however many jobs wait, measured without a clock.
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { buffersOf, explain, explainGeneric } from '../support/engines/query-plan.js';

jest.setTimeout(60_000);

const JOBS = 100_000;
const WORKER = '018f0000-0000-7000-8000-000000000000';
const QUEUES = '{reports,files,thumbnails}'; // all jobs wait in the first one

let database: ClonedDatabase;
let client: pg.Client;

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
  await client.query(`SET synchronous_commit = off`);
  await client.query(`
    INSERT INTO jobs (id, uuid, type, queue, payload, priority, run_at, turn, announce_at, max_attempts)
    SELECT i, gen_random_uuid(), 'report', 'reports', '{}', 1 + i % 5, t.at, t.at, t.at + interval '10 min', 3
    FROM generate_series(1, ${JOBS}) i, LATERAL (SELECT now() - interval '1 min' + i * interval '1 ms' AS at) t`);
  await client.query('VACUUM ANALYZE jobs');
});
afterAll(async () => {
  await client.end();
  await database.drop();
});

/** PostgreSQL plans the claim for its values each time: the generic plan, which knows no LIMIT, costs far more in its estimate. */
const OWN_PLAN = ['claim'];

it.each<[name: string, values: unknown[]]>([
  ['due', [QUEUES]],
  ['line-up', [QUEUES, 100]],
  ['claim', ['reports', 10, WORKER, 10_000, false, 4, 9]],
  ['claim', ['reports', 10, WORKER, 10_000, true, 4, 9]],
  ['claim-suspect', [QUEUES, WORKER, 10_000]],
  ['overdue', [QUEUES, 20_000, 600_000]],
  ['announce', [QUEUES, 100, 600_000]],
  ['reap', ['WORKER_LOST', 'lost', false]],
])('%s reads few pages of 100,000 waiting jobs: %j', async (name, values) => {
  const text = readFileSync(`src/workers/engine/sql/${name}.sql`, 'utf8');
  for (const plan of OWN_PLAN.includes(name) ? [explain] : [explain, explainGeneric]) {
    await client.query('BEGIN');
    const pages = buffersOf(await plan(client, { text, values }));
    await client.query('ROLLBACK');
    // The table has more than 2,000 pages. A changed row is also written to its indexes.
    expect([plan.name, pages < 500 ? 'few' : pages]).toEqual([plan.name, 'few']);
  }
});
