// Checks a migration under a running server: prepared statements that use the old columns.
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startServer, type TestServer } from '../support/server/server.js';

let server: TestServer;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.close());

it.each([
  ['adds a column', 'ALTER TABLE tasks ADD COLUMN colour text', 'ALTER TABLE users ADD COLUMN colour text'],
  ['changes a type', 'ALTER TABLE tasks ALTER priority TYPE integer', 'ALTER TABLE users ALTER name TYPE text'],
])('a migration that %s breaks no request', async (_what, ...statements) => {
  const { api } = await server.registerUser();
  const { body } = await api.post<{ id: string }>('/api/tasks', { title: 'Buy milk' });
  const getBoth = async () => [
    (await api.get(`/api/tasks/${body.id}`)).status,
    (await server.login((await server.registerUser()).email)).user.role,
    (await api.get('/api/users')).status,
  ];
  const before = [await getBoth(), await getBoth(), await getBoth()]; // on each connection, so that each prepares its statements
  for (const statement of statements) await server.sql(statement);
  expect([await getBoth(), await getBoth(), await getBoth()]).toEqual(before);
});
