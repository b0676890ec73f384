// Checks dead letters: listed with their errors, replayed exactly once, discarded, and recorded in the audit log.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { DeadLetterDetailsDto, DeadLetterDto, ReplayedDto } from '../../src/workers/api/dto/dead-letter.dto.js';
import type { JobDto } from '../../src/workers/api/dto/job.dto.js';
import { Events } from '../../src/shared/events/events.js';
import { QueueDriver } from '../../src/workers/drivers/queue.driver.js';
import type { Page, Wire } from '../support/http/api.js';
import { type Person, startServer, type TestServer } from '../support/server/server.js';
import { until } from '../support/time/until.js';

type DeadLetter = Wire<DeadLetterDto>;
type Details = Wire<DeadLetterDetailsDto>;
type Job = Wire<JobDto>;
interface AuditLine {
  actorId: string;
  details: { jobIds: string[] };
}

/** No process consumes this queue. */
const QUEUE = 'graves';

let server: TestServer;
let root: Person;
let keys = 0;
beforeAll(async () => {
  server = await startServer();
  root = await server.makeAdmin();
});
beforeEach(() => server.sql('DELETE FROM jobs'));
afterEach(() => {
  jest.restoreAllMocks();
});
afterAll(() => server.close());

/** Inserts a job whose attempts ran out `minutes` ago, and returns its UUID. */
async function bury(values: Record<string, unknown> = {}, minutes = 0): Promise<string> {
  const row: Record<string, unknown> = {
    id: `${++keys}`,
    uuid: randomUUID(),
    type: 'test.gone',
    queue: QUEUE,
    payload: '{}',
    status: 'FAILED',
    attempt: 2,
    max_attempts: 2,
    reason: 'JOB_TIMED_OUT',
    finished_at: new Date(Date.parse('2026-01-01T12:00:00Z') - minutes * 60_000),
    errors: JSON.stringify([failureOf(1, 'JOB_HANDLER_FAILED'), failureOf(2, 'JOB_TIMED_OUT')]),
    ...values,
  };
  const names = Object.keys(row);
  const places = names.map((_, at) => `$${at + 1}`);
  await server.sql(`INSERT INTO jobs (${names.join()}) VALUES (${places.join()})`, ...Object.values(row));
  return row['uuid'] as string;
}

const failureOf = (attempt: number, code: string) => ({
  attempt,
  at: `2026-01-01T11:0${attempt}:00.000Z`,
  code,
  message: `It was ${code}`,
  isPublic: false,
  worker: randomUUID(),
});

async function rowOf(uuid: string): Promise<Record<string, unknown>> {
  return (await server.sql('SELECT * FROM jobs WHERE uuid = $1', uuid))[0] as Record<string, unknown>;
}

async function listed(query = ''): Promise<string[]> {
  const { body } = await root.api.get<Page<DeadLetter>>(`/api/dead-letters?limit=100&${query}`);
  return body.items.map(({ id }) => id);
}

const audited = async (action: string): Promise<AuditLine[]> =>
  (await root.api.get<Page<AuditLine>>(`/api/audit-logs?limit=100&action=${action}`)).body.items;

const replayMatching = (body: object) => root.api.post<Wire<ReplayedDto>>('/api/dead-letters/replay', body);

describe('the list of dead letters', () => {
  it('contains only jobs that failed for good, the latest first, without payloads', async () => {
    const older = await bury({ payload: '{"text":"long"}' }, 2);
    const later = await bury({}, 1);
    for (const status of ['QUEUED', 'RUNNING', 'RETRYING', 'SUCCEEDED', 'CANCELLED']) await bury({ status });
    const { status, body } = await root.api.get<Page<DeadLetter>>('/api/dead-letters');
    expect(status).toBe(200);
    expect(body.items.map(({ id }) => id)).toEqual([later, older]);
    expect(body.items[1]).toEqual({
      id: older,
      type: 'test.gone',
      queue: QUEUE,
      reason: 'JOB_TIMED_OUT',
      message: 'It was JOB_TIMED_OUT',
      attempts: 2,
      ownerId: null,
      createdAt: expect.any(String),
      finishedAt: '2026-01-01T11:58:00.000Z',
      version: 1,
    });
    expect(await listed('sort=finishedAt')).toEqual([older, later]);
  });

  it('is filtered by queue, type and reason', async () => {
    const [queue, type, reason] = [
      await bury({ queue: 'others' }),
      await bury({ type: 'test.other' }),
      await bury({ reason: 'JOB_WORKER_LOST' }),
    ];
    expect(await listed('queue=others')).toEqual([queue]);
    expect(await listed('type=test.other')).toEqual([type]);
    expect(await listed('reason=JOB_WORKER_LOST')).toEqual([reason]);
    expect(await listed('queue=others&type=test.other')).toEqual([]);
  });

  it('continues where the previous page ended, even when many jobs failed in the same millisecond', async () => {
    const all: string[] = [];
    for (let at = 0; at < 7; at++) all.push(await bury({}, at < 4 ? 0 : 1));
    const seen: string[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const { body }: { body: Page<DeadLetter> } = await root.api.get<Page<DeadLetter>>(
        `/api/dead-letters?limit=3${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
      );
      seen.push(...body.items.map(({ id }) => id));
      cursor = body.nextCursor;
    }
    expect(seen).toHaveLength(7);
    expect(seen.slice(0, 4).sort()).toEqual(all.slice(0, 4).sort());
    expect(seen.slice(4).sort()).toEqual(all.slice(4).sort());
  });
});

describe('a dead letter', () => {
  it('shows the error of every attempt, and a payload with its secrets hidden', async () => {
    const payload = {
      fileId: 'f-1',
      password: 'hunter2',
      nested: [{ apiKey: 12345, clientSecret: { a: 'hidden-1' }, note: 'Authorization: Bearer hidden-2' }],
      url: 'postgres://me:hidden-3@db/x',
      jwt: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.hidden-4',
      cut: '{"token":"hidden-5',
      pinned: 'shown',
      token: null,
    };
    const id = await bury({ payload: JSON.stringify(payload) });
    const { status, body, headers } = await root.api.get<Details>(`/api/dead-letters/${id}`);
    expect([status, headers.get('etag')]).toEqual([200, '"1"']);
    expect(body.errors).toEqual([
      { attempt: 1, at: '2026-01-01T11:01:00.000Z', code: 'JOB_HANDLER_FAILED', message: 'It was JOB_HANDLER_FAILED' },
      { attempt: 2, at: '2026-01-01T11:02:00.000Z', code: 'JOB_TIMED_OUT', message: 'It was JOB_TIMED_OUT' },
    ]);
    expect(JSON.stringify(body.payload)).not.toMatch(/hunter2|12345|hidden/);
    expect(body.payload).toMatchObject({
      fileId: 'f-1',
      password: '[redacted]',
      nested: [{ apiKey: '[redacted]', clientSecret: '[redacted]' }],
      pinned: 'shown',
      token: null,
    });
  });

  it('is not found while its job is unfinished, or when it never existed', async () => {
    for (const id of [await bury({ status: 'RETRYING' }), randomUUID()])
      for (const answer of [
        await root.api.get(`/api/dead-letters/${id}`),
        await root.api.post(`/api/dead-letters/${id}/replay`),
        await root.api.delete(`/api/dead-letters/${id}`),
      ])
        expect(answer).toMatchObject({ status: 404, body: { code: 'JOB_NOT_DEAD' } });
  });
});

describe('a replay of a dead letter', () => {
  it('runs the job again with all its attempts, and returns its location', async () => {
    const id = await bury({ type: 'jobs.cleanup', queue: 'maintenance', attempt: 3, max_attempts: 3, crashes: 2 });
    const { status, body, headers } = await root.api.post<Job>(`/api/v1/dead-letters/${id}/replay`);
    expect([status, headers.get('location'), headers.get('etag')]).toEqual([202, `/api/v1/jobs/${id}`, '"2"']);
    expect(body).toMatchObject({ id, status: 'QUEUED', attempts: 3, maxAttempts: 6, finishedAt: null, progress: 0 });
    const done = await until(async () => {
      const { body: job } = await root.api.get<Job>(`/api/jobs/${id}`);
      return job.status === 'SUCCEEDED' && job;
    }, 'the job to be done');
    expect(done).toMatchObject({ attempts: 4, result: { deleted: 0 }, error: null });
    expect(await listed()).toEqual([]);
  });

  it('of a type without a definition adds as many attempts as the job had', async () => {
    const id = await bury({ attempt: 5, max_attempts: 4, crashes: 2 });
    expect((await root.api.post(`/api/dead-letters/${id}/replay`)).status).toBe(202);
    expect(await rowOf(id)).toMatchObject({ attempt: 5, max_attempts: 9, crashes: 0, reason: null, announce_at: null });
  });

  it('is announced after its commit, and with a broker the row is marked for announcement', async () => {
    const driver = server.app.get(QueueDriver);
    const seen: Array<Promise<unknown>> = [];
    const announce = jest
      .spyOn(driver, 'announce')
      .mockImplementation(() => void seen.push(rowOf(id).then(({ status }) => status)));
    jest.replaceProperty(driver, 'announces', true);
    const id = await bury();
    expect((await root.api.post(`/api/dead-letters/${id}/replay`)).status).toBe(202);
    expect(announce.mock.calls.map(([queues]) => [...queues])).toEqual([[QUEUE]]);
    expect(await Promise.all(seen)).toEqual(['QUEUED']);
    const { announce_at, run_at } = await rowOf(id);
    expect(announce_at).toEqual(run_at);
  });

  it('by many requests at once happens once', async () => {
    const id = await bury();
    const before = (await audited('job.replayed')).length;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => root.api.post(`/api/dead-letters/${id}/replay`)),
    );
    expect(answers.map(({ status }) => status).sort()).toEqual([202, ...Array<number>(19).fill(404)]);
    expect(await rowOf(id)).toMatchObject({ version: 2, attempt: 2, max_attempts: 4 });
    expect((await audited('job.replayed')).length).toBe(before + 1);
  });

  it('is refused while another job with its unique key is not finished', async () => {
    const id = await bury({ unique_key: 'a' });
    await bury({ unique_key: 'a', status: 'RETRYING' });
    expect(await root.api.post(`/api/dead-letters/${id}/replay`)).toMatchObject({
      status: 409,
      body: { code: 'JOB_KEY_TAKEN' },
    });
    expect(await listed()).toEqual([id]);
  });

  it('is rolled back when its event cannot be recorded; so is a discard', async () => {
    const id = await bury();
    jest.spyOn(server.app.get(Events), 'emit').mockRejectedValue(new Error('no space for the event'));
    const announce = jest.spyOn(server.app.get(QueueDriver), 'announce');
    for (const answer of [
      await root.api.post(`/api/dead-letters/${id}/replay`),
      await replayMatching({ queue: QUEUE }),
      await root.api.delete(`/api/dead-letters/${id}`),
    ])
      expect(answer.status).toBe(500);
    expect(await rowOf(id)).toMatchObject({ status: 'FAILED', version: 1, deleted_at: null });
    expect(announce).not.toHaveBeenCalled();
  });
});

describe('a replay by filter', () => {
  it('takes the oldest matching jobs, returns whether there are more, and writes one audit line', async () => {
    const [youngest, oldest, middle] = [await bury({}, 1), await bury({}, 3), await bury({}, 2)];
    const other = await bury({ reason: 'JOB_WORKER_LOST' }, 9);
    const filter = { queue: QUEUE, type: 'test.gone', reason: 'JOB_TIMED_OUT', limit: 2 };
    expect(await replayMatching(filter)).toMatchObject({ status: 202, body: { replayed: 2, more: true } });
    const [line] = await audited('job.replayed');
    expect(line).toMatchObject({ actorId: root.user.id });
    expect(line?.details.jobIds.toSorted()).toEqual([oldest, middle].toSorted());
    expect(await listed()).toEqual([youngest, other]);
    expect((await replayMatching(filter)).body).toEqual({ replayed: 1, more: false });
    expect((await replayMatching(filter)).body).toEqual({ replayed: 0, more: false });
    expect(await listed()).toEqual([other]);
  });

  it('skips jobs whose unique key is taken by an active job or by another one in the filter', async () => {
    const taken = await bury({ unique_key: 'a' }, 5);
    await bury({ unique_key: 'a', status: 'QUEUED' });
    const [first, second] = [await bury({ unique_key: 'b' }, 4), await bury({ unique_key: 'b' }, 3)];
    const free = await bury({}, 2);
    expect((await replayMatching({ queue: QUEUE })).body).toEqual({ replayed: 2, more: false });
    expect((await rowOf(first))['status']).toBe('QUEUED');
    expect((await rowOf(free))['status']).toBe('QUEUED');
    expect(await listed()).toEqual([second, taken]);
  });

  it('by many requests at once replays each job once', async () => {
    const ids: string[] = [];
    for (let at = 0; at < 40; at++) ids.push(await bury({}, at));
    const answers = await Promise.all(Array.from({ length: 8 }, () => replayMatching({ queue: QUEUE, limit: 10 })));
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(202));
    let replayed = answers.reduce((sum, { body }) => sum + body.replayed, 0);
    replayed += (await replayMatching({ queue: QUEUE })).body.replayed; // the jobs that the other requests had locked
    expect(replayed).toBe(40);
    expect(await server.sql('SELECT DISTINCT version, max_attempts FROM jobs WHERE queue = $1', QUEUE)).toEqual([
      { version: 2, max_attempts: 4 },
    ]);
  });

  it('needs at least one filter', async () => {
    const id = await bury();
    for (const body of [{}, { limit: 10 }])
      expect(await replayMatching(body)).toMatchObject({ status: 400, body: { code: 'VALIDATION_FAILED' } });
    expect(await listed()).toEqual([id]);
  });
});

describe('a discarded dead letter', () => {
  it('is in no list, and cannot be replayed', async () => {
    const id = await bury({ unique_key: 'a' });
    expect((await root.api.delete(`/api/dead-letters/${id}`)).status).toBe(204);
    expect((await audited('job.discarded'))[0]).toMatchObject({ actorId: root.user.id, details: { jobIds: [id] } });
    expect(await listed()).toEqual([]);
    expect((await root.api.get<Page<Job>>('/api/jobs?all=true')).body.items).toEqual([]);
    for (const path of [`/api/jobs/${id}`, `/api/dead-letters/${id}`])
      expect((await root.api.get(path)).status).toBe(404);
    expect((await root.api.post(`/api/dead-letters/${id}/replay`)).status).toBe(404);
    expect((await root.api.delete(`/api/jobs/${id}`)).status).toBe(404);
    expect((await root.api.delete(`/api/dead-letters/${id}`)).status).toBe(404);
    await bury({}, -1);
    expect((await replayMatching({ queue: QUEUE, limit: 1 })).body.replayed).toBe(1); // the younger one
    expect(await rowOf(id)).toMatchObject({ status: 'FAILED', deleted_at: expect.any(Date), version: 2 });
  });

  it('is not replayed: of a discard and a replay at once, one wins', async () => {
    for (let round = 0; round < 5; round++) {
      const id = await bury();
      const answers = await Promise.all([
        root.api.post(`/api/dead-letters/${id}/replay`),
        root.api.delete(`/api/dead-letters/${id}`),
      ]);
      expect([202, 204]).toContain(Math.min(...answers.map(({ status }) => status)));
      expect([404, 409]).toContain(Math.max(...answers.map(({ status }) => status)));
      expect(await rowOf(id)).toMatchObject({ version: 2 });
    }
  });
});
