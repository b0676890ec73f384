// Checks time limits: a row that another transaction locks, and a statement that takes too long.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import type { Page, Task } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer({ REQUEST_TIMEOUT: '1000' });
  ada = await server.registerUser();
});
afterAll(() => server.close());

it('a change of a locked row returns 503, and is made after the lock is released', async () => {
  const { body: task } = await ada.api.post<Task>('/api/tasks', { title: 'Held' });
  const holder = new pg.Client({ connectionString: server.databaseUrl });
  await holder.connect();
  await holder.query('BEGIN');
  await holder.query('SELECT FROM tasks WHERE uuid = $1 FOR UPDATE', [task.id]);
  const refused = await ada.api.patch(`/api/tasks/${task.id}`, { title: 'Not now' });
  expect(refused).toMatchObject({ status: 503, body: { code: 'SERVICE_UNAVAILABLE' } });
  expect(refused.headers.get('retry-after')).toBe('1');
  expect((await ada.api.get(`/api/tasks/${task.id}`)).status).toBe(200); // reads do not wait for the lock
  const waiting = `SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`;
  await until(async () => (await holder.query(waiting)).rowCount === 0, 'the statement to give up too');
  await holder.end();
  const changed = await ada.api.patch<Task>(`/api/tasks/${task.id}`, { title: 'Now' });
  expect(changed).toMatchObject({ status: 200, body: { title: 'Now', version: 2 } });
});

it('a handler that exceeds REQUEST_TIMEOUT causes one 503, and its statement is stopped', async () => {
  await server.sql(
    `CREATE FUNCTION be_slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(2.5); RETURN NEW; END'`,
  );
  await server.sql(
    `CREATE TRIGGER slow BEFORE INSERT ON tasks FOR EACH ROW WHEN (NEW.title = 'Slow') EXECUTE FUNCTION be_slow()`,
  );
  const slow = await ada.api.post('/api/tasks', { title: 'Slow' });
  expect(slow).toMatchObject({ status: 503, body: { code: 'SERVICE_UNAVAILABLE' } });
  const busy = `SELECT FROM pg_stat_activity WHERE state = 'active' AND datname = current_database() AND application_name = 'holdfast'`;
  await until(async () => (await server.sql(busy)).length === 0, 'the statement to be over', 1_000);
  expect((await ada.api.get<Page<Task>>('/api/tasks?q=Slow')).body.items).toEqual([]);
  expect(server.log.filter((line) => line.includes(slow.body.requestId) && line.includes('"status":503'))).toHaveLength(
    1,
  );
  expect(server.log.filter((line) => /"level":"(error|fatal)"/.test(line))).toEqual([]);
});
