// Checks that a job runs with the current rights of its owner: when it is due, at a retry, and at a replay by an administrator.
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Page } from '../support/http/api.js';
import { type Job, finishedJob } from '../support/jobs/job-requests.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';

jest.setTimeout(60_000);

let server: TestServer;
let root: Person;
let boss: Person;
let bosses = 0;

beforeAll(async () => {
  server = await startServer({ RATE_LIMIT_MODE: 'off' });
  root = await server.makeAdmin();
});
beforeEach(async () => {
  boss = await server.makeAdmin(`Boss${++bosses}`);
});
afterAll(() => server.close());

async function enqueueForLater(type: string): Promise<string> {
  const runAt = new Date(Date.now() + 3_600_000).toISOString();
  const { status, body } = await boss.api.post<Job>('/api/jobs', { type, runAt });
  expect(status).toBe(202);
  return body.id;
}

/** Makes the job due now, and returns it when it has ended. `row`: more SQL assignments. */
async function makeDue(id: string, row = ''): Promise<Job> {
  await server.sql(`UPDATE jobs SET run_at = now() ${row} WHERE uuid = $1`, id);
  return finishedJob(root, id);
}

const demote = async () =>
  expect((await root.api.patch(`/api/users/${boss.user.id}`, { role: 'USER' })).status).toBe(200);
const remove = async () => expect((await root.api.delete(`/api/users/${boss.user.id}`)).status).toBe(204);
const filesOfBoss = () => server.sql('SELECT 1 FROM files WHERE owner_uuid = $1', boss.user.id);

describe.each([
  ['the role', 'users.export', demote, 'users:read'],
  ['the account', 'users.export', remove, 'no account'],
  ['the account, with a job type for every user,', 'report.pdf', remove, 'no account'],
])('when the owner of a job loses %s', (_what, type, lose, reason) => {
  it('a job that was enqueued before fails for good and has no effect', async () => {
    const id = await enqueueForLater(type);
    await lose();
    const job = await makeDue(id);
    expect(job).toMatchObject({
      status: 'FAILED',
      attempts: 1,
      result: null,
      error: { code: 'JOB_OWNER_NOT_ALLOWED' },
    });
    expect(job.error?.message).toContain(reason);
    expect(await filesOfBoss()).toEqual([]);
  });

  it('a retry fails for good too', async () => {
    const id = await enqueueForLater(type);
    await lose();
    const job = await makeDue(id, `, status = 'RETRYING', attempt = 1`);
    expect(job).toMatchObject({ status: 'FAILED', attempts: 2, error: { code: 'JOB_OWNER_NOT_ALLOWED' } });
    expect(await filesOfBoss()).toEqual([]);
  });
});

it('a replay by an administrator runs with the rights of the owner, not of the administrator', async () => {
  const id = await enqueueForLater('users.export');
  await demote();
  await makeDue(id);
  const { body: dead } = await root.api.get<Page<{ id: string }>>('/api/dead-letters?reason=JOB_OWNER_NOT_ALLOWED');
  expect(dead.items.map((one) => one.id)).toContain(id);
  expect((await root.api.post(`/api/dead-letters/${id}/replay`)).status).toBe(202);
  expect(await finishedJob(root, id)).toMatchObject({ status: 'FAILED', error: { code: 'JOB_OWNER_NOT_ALLOWED' } });
  expect(await filesOfBoss()).toEqual([]);

  expect((await root.api.patch(`/api/users/${boss.user.id}`, { role: 'ADMIN' })).status).toBe(200);
  expect((await root.api.post(`/api/dead-letters/${id}/replay`)).status).toBe(202);
  expect(await finishedJob(root, id)).toMatchObject({ status: 'SUCCEEDED', ownerId: boss.user.id });
  expect(await filesOfBoss()).toHaveLength(1);
});
