// Several requests in one: what each does alone it does in a batch, and the batch adds nothing of its own.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Person, startServer, type TestServer } from '../support/server.js';

interface Answered {
  responses: Array<{ id: string; status: number; headers: Record<string, string>; body: any }>;
}
let server: TestServer;
let ada: Person;
beforeAll(async () => {
  server = await startServer();
  ada = await server.registerUser();
});
afterAll(() => server.close());
it('x', async () => {
  const a = await ada.api.post<Answered>('/api/batch', { requests: [{ id: 'mine', method: 'GET', path: '/api/tasks?limit=5' },{ id: 'p', method: 'POST', path: '/api/tasks', body: {title:'x'} }] });
  console.log(JSON.stringify(a.body), server.log.filter(l => !l.includes('debug')));
});
