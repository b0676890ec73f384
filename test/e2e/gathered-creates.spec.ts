// Simultaneous creates of one user share statements: each request gets its own task, its own event, and its own refusal.
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { Problem, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

const QUOTA = 60;
const REQUESTS = 40;

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer({ APP_ROLE: 'api', TASK_QUOTA: String(QUOTA) });
  ada = await server.registerUser();
});
afterAll(() => server.close());

const create = (title: string) =>
  ada.api.post<Task & Pick<Problem, 'code'>>(
    '/api/tasks',
    { title },
    { headers: { 'x-request-id': `request-${title}` } },
  );

it('each of many simultaneous creates returns its own task and records its own request, in few statements', async () => {
  await create('the first, which makes the row of the count');
  const client = new pg.Client({ connectionString: server.databaseUrl });
  await client.connect();
  await client.query('BEGIN; SELECT FROM task_counts FOR UPDATE');
  const sent = jest.spyOn(pg.Client.prototype, 'query');
  const titles = Array.from({ length: REQUESTS }, (_, n) => `task-${n}`);
  const answering = Promise.all(titles.map(create));
  const arrived = () => server.app.getHttpAdapter().getInstance().inFlight.size === REQUESTS;
  await until(arrived, 'all requests to wait for the count');
  await client.query('COMMIT');
  await client.end();
  const answers = await answering;
  const statements = (sent.mock.calls as unknown[][]).filter(
    ([one]) => (one as pg.QueryConfig).name === 'tasks-create',
  );
  sent.mockRestore();
  expect(answers.map(({ status, body }) => [status, body.title])).toEqual(titles.map((title) => [201, title]));
  expect(statements.length).toBeLessThan(5);
  const events = () =>
    server.sql<{ id: string; request: string }>(
      `SELECT subject_id AS id, request_id AS request FROM event_log WHERE name = 'task.created' AND request_id LIKE 'request-task-%'`,
    );
  await until(async () => (await events()).length === REQUESTS, 'the events');
  const requestOf = new Map((await events()).map(({ id, request }) => [id, request]));
  for (const { body } of answers) expect(requestOf.get(body.id)).toBe(`request-${body.title}`);
});

it('beyond the quota exactly the requests that still fit succeed, whatever shares a statement', async () => {
  const answers = await Promise.all(Array.from({ length: REQUESTS }, (_, n) => create(`more-${n}`)));
  const created = answers.filter(({ status }) => status === 201);
  expect(created).toHaveLength(QUOTA - REQUESTS - 1);
  for (const { status, body } of answers) if (status !== 201) expect(body.code).toBe('TASK_QUOTA_EXCEEDED');
  const [row] = await server.sql<{ tasks: string }>('SELECT count(*) AS tasks FROM tasks');
  expect(Number(row?.tasks)).toBe(QUOTA);
});
