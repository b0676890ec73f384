// The contract of background jobs, the same on every driver.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { EnumField, TextField } from '../../src/common/decorators/fields.decorator.js';
import { HttpErrors } from '../../src/common/http/http.errors.js';
import { exponential } from '../../src/shared/libs/backoff.js';
import { Transaction } from '../../src/shared/database/transaction.js';
import { requestContext } from '../../src/shared/logging/request-context.js';
import type { JobFailure, JobStatus } from '../../src/workers/job.entity.js';
import {
  defineJob,
  Handles,
  jobDefinitions,
  type JobContext,
  type JobHandler,
  UnrecoverableError,
} from '../../src/workers/job.js';
import { JobsRepository } from '../../src/workers/engine/jobs.repository.js';
import { JobQueueRepository } from '../../src/workers/engine/job-queue.repository.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { type JobApplication, openJobApplication } from '../support/jobs/job-application.js';
import { rabbitNames } from '../support/engines/rabbit-names.js';
import { rabbitAnswers } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

const BEHAVIOURS = [
  'do',
  'fail',
  'fail once',
  'refuse',
  'out of memory',
  'wait',
  'wait deaf',
  'write and fail',
] as const;

class NotePayload {
  @TextField({ max: 100 })
  text!: string;

  @EnumField({ name: 'Behaviour', values: BEHAVIOURS, optional: true })
  behave?: (typeof BEHAVIOURS)[number];
}

const common = { payload: NotePayload, attempts: 3, timeoutMs: 20_000 };
const Note = defineJob({ ...common, name: 'test.note', queue: 'notes', backoff: exponential(20, 50) });
const Slow = defineJob({ ...common, name: 'test.slow', queue: 'slow', backoff: () => 700, timeoutMs: 300 });
const Endless = defineJob({
  ...common,
  name: 'test.endless',
  queue: 'slow',
  backoff: () => 0,
  timeoutMs: 300,
  isTimeoutFinal: true,
});
const Single = defineJob({ ...common, name: 'test.single', queue: 'single', backoff: exponential(20), concurrency: 1 });
const Unique = defineJob({
  ...common,
  name: 'test.unique',
  queue: 'notes',
  backoff: () => 0,
  uniqueKey: ({ text }) => text,
});
const Once = defineJob({ ...common, name: 'test.once', queue: 'notes', backoff: () => 0, attempts: 1 });

interface Run {
  text: string;
  attempt: number;
  at: number;
  context: JobContext;
  /** Releases a waiting job. */
  release: () => void;
}
const runs: Run[] = [];
const runsOf = (text: string) => runs.filter((run) => run.text === text);

@Injectable()
class Behaving implements JobHandler<NotePayload> {
  constructor(private readonly transaction: Transaction) {}

  async run({ text, behave }: NotePayload, context: JobContext) {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const { attempt } = context;
    runs.push({ text, attempt, at: Date.now(), context, release });
    if (behave === 'fail' || (behave === 'fail once' && attempt === 1))
      throw new Error(`${text} fails, password: hunter2`);
    if (behave === 'refuse') throw new UnrecoverableError(HttpErrors.CONFLICT());
    if (behave === 'out of memory') throw Object.assign(new Error('limit'), { code: 'ERR_WORKER_OUT_OF_MEMORY' });
    if (behave === 'wait')
      await Promise.race([released, once(context.signal, 'abort').then(() => context.signal.throwIfAborted())]);
    if (behave === 'wait deaf') await released;
    return context.finish(async () => {
      await this.transaction.query({
        text: 'INSERT INTO effects (text, attempt) VALUES ($1, $2)',
        values: [text, attempt],
      });
      if (behave === 'write and fail' && attempt < 3) throw new Error('after the effect');
      return { text };
    });
  }
}
@Handles(Note)
class NoteHandler extends Behaving {}
@Handles(Slow)
class SlowHandler extends Behaving {}
@Handles(Endless)
class EndlessHandler extends Behaving {}
@Handles(Single)
class SingleHandler extends Behaving {}
@Handles(Unique)
class UniqueHandler extends Behaving {}
/** Has no effect of its own and completes by returning. */
@Handles(Once)
class OnceHandler implements JobHandler<NotePayload> {
  async run({ text, behave }: NotePayload, context: JobContext) {
    runs.push({ text, attempt: context.attempt, at: Date.now(), context, release: () => undefined });
    if (behave === 'fail') throw new Error('no');
    return { text };
  }
}
const HANDLERS = [NoteHandler, SlowHandler, EndlessHandler, SingleHandler, UniqueHandler, OnceHandler];

interface Row {
  id: string;
  status: JobStatus;
  attempt: number;
  max_attempts: number;
  progress: number;
  result: unknown;
  errors: JobFailure[];
  reason: string | null;
  crashes: number;
  alone: boolean;
}

const place = rabbitNames();
afterAll(() => place.forget(new Set(['torture', ...[...jobDefinitions().values()].map(({ queue }) => queue)])));

describe('jobs on postgres', () => contract({}));
const overRabbit = rabbitAnswers ? describe : describe.skip;
overRabbit('jobs on rabbitmq', () => contract(place.env));

function contract(env: Record<string, string>): void {
  let database: ClonedDatabase;
  let app: JobApplication;
  const apps: JobApplication[] = [];

  beforeAll(async () => {
    database = await cloneDatabase();
    app = await open();
    await app.transaction.query({ text: 'CREATE TABLE effects (text text, attempt integer)' });
    await app.work();
  });
  afterAll(async () => {
    for (const run of runs) run.release();
    for (const one of apps) await one.close();
    await database.drop();
  });
  beforeEach(() => void runs.splice(0));

  async function open(more: Record<string, string> = {}): Promise<JobApplication> {
    const opened = await openJobApplication(database.url, HANDLERS, { ...env, ...more });
    apps.push(opened);
    return opened;
  }
  async function rowOf(id: string): Promise<Row> {
    const [row] = await app.transaction.query<Row & Record<string, unknown>>({
      text: 'SELECT * FROM jobs WHERE uuid = $1',
      values: [id],
    });
    return row as Row;
  }
  const ends = (id: string, status: JobStatus) =>
    until(async () => ((await rowOf(id)).status === status ? rowOf(id) : null), `job ${id} to be ${status}`, 60_000);
  const begun = (text: string, times = 1) => until(() => runsOf(text)[times - 1], `${text} to begin ${times} times`);
  const effectsOf = async (text: string) =>
    (
      await app.transaction.query<{ attempt: number }>({
        text: 'SELECT attempt FROM effects WHERE text = $1 ORDER BY 1',
        values: [text],
      })
    ).map(({ attempt }) => attempt);

  /** The log lines about the job. */
  const linesOf = (id: string) =>
    app.log
      .map((line) => JSON.parse(line) as { jobId?: string; requestId?: string; status?: string })
      .filter(({ jobId }) => jobId === id);
  async function scansPass(): Promise<void> {
    const scans = jest.spyOn(app.get(JobQueueRepository), 'findDue');
    await until(() => scans.mock.calls.length >= 3, 'three scans to pass');
    scans.mockRestore();
  }

  it('runs an enqueued job once, and keeps its result', async () => {
    const { id, isNew } = await app.queue.enqueue(Note, { text: 'plain' });
    const row = await ends(id, 'SUCCEEDED');
    expect(isNew).toBe(true);
    expect(row).toMatchObject({ attempt: 1, progress: 100, result: { text: 'plain' }, errors: [] });
    expect(await effectsOf('plain')).toEqual([1]);
    const { id: returned } = await app.queue.enqueue(Once, { text: 'returned' });
    expect((await ends(returned, 'SUCCEEDED')).result).toEqual({ text: 'returned' });
  });

  it('refuses an invalid payload', async () => {
    await expect(app.queue.enqueue(Note, { text: 'x'.repeat(101) })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    });
    await expect(app.queue.enqueue(Note, { text: 'x', more: 1 } as never)).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    });
  });

  it('runs a job after its runAt, with little delay', async () => {
    const runAt = new Date(Date.now() + 1_500);
    const { id } = await app.queue.enqueue(Note, { text: 'later' }, { runAt });
    await ends(id, 'SUCCEEDED');
    const late = (runsOf('later')[0] as Run).at - runAt.getTime();
    expect(late).toBeGreaterThanOrEqual(0);
    expect(late).toBeLessThan(5_000); // a tolerance for a busy machine; the torture suite measures the delay
  });

  it('retries a failed job after its backoff, and records the error of each attempt', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'second time lucky', behave: 'fail once' });
    const row = await ends(id, 'SUCCEEDED');
    expect(runsOf('second time lucky').map(({ attempt }) => attempt)).toEqual([1, 2]);
    expect(row.errors).toMatchObject([
      { attempt: 1, code: 'JOB_HANDLER_FAILED', message: expect.stringContaining('fails') },
    ]);
    expect(JSON.stringify(row.errors)).not.toContain('hunter2');
    const { id: slow } = await app.queue.enqueue(Slow, { text: 'patient', behave: 'fail once' });
    await ends(slow, 'SUCCEEDED');
    const [first, second] = runsOf('patient') as [Run, Run];
    expect(second.at - first.at).toBeGreaterThanOrEqual(699); // the backoff is 700 ms; one of the clocks has whole milliseconds
  });

  it('dead-letters a job after its last failed attempt with all errors, and a refused job at once', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'hopeless', behave: 'fail' });
    const row = await ends(id, 'FAILED');
    expect(row).toMatchObject({ attempt: 3, reason: 'JOB_HANDLER_FAILED' });
    expect(row.errors.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
    const { id: refused } = await app.queue.enqueue(Note, { text: 'refused', behave: 'refuse' });
    expect(await ends(refused, 'FAILED')).toMatchObject({ attempt: 1, reason: 'CONFLICT' });
  });

  it('does not retry a job whose thread ran out of memory', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'huge', behave: 'out of memory' });
    expect(await ends(id, 'FAILED')).toMatchObject({ attempt: 1, reason: 'JOB_OUT_OF_MEMORY' });
  });

  it('dead-letters a job whose payload is no longer valid, without running it', async () => {
    const { id } = await app.queue.enqueue(Single, { text: 'was valid' }, { runAt: new Date(Date.now() + 3_600_000) });
    await app.transaction.query({
      text: `UPDATE jobs SET payload = '{"text": 5}', run_at = now(), announce_at = CASE WHEN announce_at IS NOT NULL THEN now() END WHERE uuid = $1`,
      values: [id],
    });
    const row = await ends(id, 'FAILED');
    expect(row).toMatchObject({ attempt: 1, reason: 'JOB_PAYLOAD_INVALID' });
    expect(row.errors[0]?.message).toContain('text must be');
    expect(runsOf('was valid')).toEqual([]);
  });

  it('rolls back the effect of a failed attempt: only the effect of the successful attempt remains', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'halfway', behave: 'write and fail' });
    await ends(id, 'SUCCEEDED');
    expect(await effectsOf('halfway')).toEqual([3]);
  });

  it('discards a job whose transaction rolls back, and runs a job whose transaction commits', async () => {
    const enqueue = async (text: string) => (await app.queue.enqueue(Note, { text })).id;
    let lost = '';
    await expect(
      app.transaction.run(async () => {
        lost = await enqueue('rolled back');
        throw new Error('roll back');
      }),
    ).rejects.toThrow('roll back');
    const kept = await app.transaction.run(async () => {
      const id = await enqueue('committed');
      await scansPass(); // they must not see the job before the commit
      expect(runsOf('committed')).toEqual([]);
      return id;
    });
    await ends(kept, 'SUCCEEDED');
    expect(await rowOf(lost)).toBeUndefined();
    expect(runsOf('rolled back')).toEqual([]);
  });

  it('runs urgent jobs first, and among equals the job that is due longest', async () => {
    const { id: first } = await app.queue.enqueue(Single, { text: 'holds the place', behave: 'wait' });
    const holder = await begun('holds the place');
    const ids: string[] = [];
    for (const [text, priority] of [
      ['c', 3],
      ['e', 1],
      ['a', 5],
      ['d', 3],
      ['b', 4],
    ] as const)
      ids.push((await app.queue.enqueue(Single, { text }, { priority })).id);
    holder.release();
    for (const id of [first, ...ids]) await ends(id, 'SUCCEEDED');
    expect(runs.map(({ text }) => text).slice(1)).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('does not starve jobs of the lowest priority', async () => {
    const { id: first } = await app.queue.enqueue(Single, { text: 'holds', behave: 'wait' });
    const holder = await begun('holds');
    const { id: old } = await app.queue.enqueue(Single, { text: 'old' }, { priority: 1 });
    await app.transaction.query({
      text: `UPDATE jobs SET run_at = now() - interval '1 min', turn = now() - interval '1 min' WHERE uuid = $1`,
      values: [old],
    });
    const urgent = await app.queue.enqueueAll(
      Single,
      Array.from({ length: 20 }, (_, n) => ({ text: `urgent ${n}` })),
      { priority: 5 },
    );
    holder.release();
    for (const id of [first, old, ...urgent]) await ends(id, 'SUCCEEDED');
    const place = runs.findIndex(({ text }) => text === 'old');
    expect(place).toBeGreaterThan(0);
    expect(place).toBeLessThanOrEqual(6);
  });

  it('returns the existing job for a unique key until that job has finished', async () => {
    const wanted = { text: 'only one', behave: 'wait' } as const;
    const answers = await Promise.all(Array.from({ length: 20 }, () => app.queue.enqueue(Unique, wanted)));
    expect(answers.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    const id = answers[0]?.id as string;
    const inside = await app.transaction.run(() => app.queue.enqueue(Unique, wanted));
    expect(inside).toEqual({ id, isNew: false });
    (await begun('only one')).release();
    await ends(id, 'SUCCEEDED');
    const next = await app.queue.enqueue(Unique, { text: 'only one' });
    expect(next.isNew).toBe(true);
    await ends(next.id, 'SUCCEEDED');
  });

  it('cancels waiting jobs, and running jobs on any process, and no effect happens afterwards', async () => {
    const { id: waiting } = await app.queue.enqueue(
      Note,
      { text: 'never' },
      { runAt: new Date(Date.now() + 3_600_000) },
    );
    const { id: running } = await app.queue.enqueue(Note, { text: 'stop me', behave: 'wait' });
    const { id: deaf } = await app.queue.enqueue(Note, { text: 'deaf', behave: 'wait deaf' });
    const { context } = await begun('stop me');
    const deafRun = await begun('deaf');
    const repository = (await open()).get(JobsRepository); // this process does not run the jobs
    for (const id of [waiting, running, deaf]) expect(await repository.cancel(id, null, null)).toBe(true);
    await until(() => context.signal.aborted, 'the abort signal'); // with its next heartbeat
    deafRun.release();
    await until(
      () => app.log.some((line) => line.includes('job.fenced') && line.includes(deaf)),
      'the deaf one to be fenced',
    );
    for (const id of [waiting, running, deaf]) expect((await rowOf(id)).status).toBe('CANCELLED');
    expect([...(await effectsOf('never')), ...(await effectsOf('stop me')), ...(await effectsOf('deaf'))]).toEqual([]);
    expect(await repository.cancel(running, null, null)).toBe(false);
  });

  it('knows an earlier attempt from the current one of the same job, in heartbeats and in completions', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'twice', behave: 'wait' });
    const { release } = await begun('twice');
    const { id: key, attempt } = await rowOf(id);
    const attempts = [attempt - 1, attempt].map((number) => ({ id: key, attempt: number, progress: 0, result: null }));
    const repository = app.get(JobQueueRepository);
    expect(await repository.heartbeat(attempts, 10_000)).toEqual([false, true]);
    expect(await repository.finish(attempts)).toEqual([false, true]);
    release();
  });

  it('aborts an attempt after its timeout, and counts it as a failure', async () => {
    const { id } = await app.queue.enqueue(Slow, { text: 'dawdles', behave: 'wait' });
    const row = await ends(id, 'FAILED');
    expect(row).toMatchObject({ attempt: 3, reason: 'JOB_TIMED_OUT' });
    expect(runsOf('dawdles').every(({ context }) => context.signal.aborted)).toBe(true);
  });

  it('makes no further attempt after a timeout of a job whose timeout is final', async () => {
    const { id } = await app.queue.enqueue(Endless, { text: 'computes', behave: 'wait' });
    expect(await ends(id, 'FAILED')).toMatchObject({ attempt: 1, reason: 'JOB_TIMED_OUT' });
  });

  it('stores and publishes the progress of a job', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'on my way', behave: 'wait' });
    const run = await begun('on my way');
    run.context.progress(42.4);
    await until(async () => (await rowOf(id)).progress === 42, 'the progress to be written');
    run.release();
    expect((await ends(id, 'SUCCEEDED')).progress).toBe(100);
  });

  it('runs a job once, no matter how many wake-ups arrive', async () => {
    const { id } = await app.queue.enqueue(Note, { text: 'often announced', behave: 'wait' });
    const run = await begun('often announced');
    for (let n = 0; n < 30; n++) app.driver.announce(['notes']);
    run.release();
    await ends(id, 'SUCCEEDED');
    for (let n = 0; n < 30; n++) app.driver.announce(['notes']);
    const { id: after } = await app.queue.enqueue(Note, { text: 'after' });
    await ends(after, 'SUCCEEDED');
    expect(runsOf('often announced')).toHaveLength(1);
    expect(await effectsOf('often announced')).toEqual([1]);
  });

  it('finishes running jobs at shutdown, and releases the jobs that do not end in time', async () => {
    const other = await open({ SHUTDOWN_GRACE: '5000' }); // 5 s minus the 4 s that are reserved for other shutdown steps
    await app.worker.stop();
    await other.work();
    const { id: quick } = await app.queue.enqueue(Note, { text: 'quick', behave: 'wait' });
    const { id: endless } = await app.queue.enqueue(Note, { text: 'endless', behave: 'wait' });
    const quickRun = await begun('quick');
    await begun('endless');
    const stopped = other.worker.stop();
    quickRun.release();
    await stopped;
    expect((await rowOf(quick)).status).toBe('SUCCEEDED');
    expect(await rowOf(endless)).toMatchObject({ status: 'RETRYING', attempt: 1, max_attempts: 4, errors: [] });
    app = await open();
    await app.work();
    (await begun('endless', 2)).release();
    await ends(endless, 'SUCCEEDED');
    expect(await effectsOf('endless')).toEqual([2]);
  });

  it('retries the job of a dead worker, unless its last attempt ran alone or was its only one', async () => {
    const WORKER = '0f0e0d0c-0b0a-4908-8706-050403020100';
    const cases: Array<[attempt: number, maxAttempts: number, crashes: number, alone: boolean, ends: string]> = [
      [1, 3, 0, false, 'RETRYING 1'],
      [2, 3, 1, false, 'RETRYING 2'], // from now on alone
      [3, 3, 2, true, 'FAILED 3'],
      [3, 3, 0, false, 'RETRYING 2'], // failed twice before
      [1, 2, 0, false, 'RETRYING 1'],
      [2, 2, 1, false, 'RETRYING 2'],
      [3, 2, 2, true, 'FAILED 3'],
      [1, 1, 0, false, 'FAILED 2'],
    ];
    const reaped = async (key: number, [attempt, maxAttempts, crashes, alone]: (typeof cases)[number]) => {
      const [added] = await app.transaction.query<{ uuid: string }>({
        text: `INSERT INTO jobs (id, uuid, type, queue, payload, status, attempt, max_attempts, crashes, alone, worker, lease_until, request_id)
          VALUES ($1, gen_random_uuid(), 'test.note', 'unserved', '{}', 'RUNNING', $2, $3, $4, $5, $6, now(), 'the-request')
          RETURNING uuid`,
        values: [key, attempt, maxAttempts, crashes, alone, WORKER],
      });
      const { uuid } = added as { uuid: string };
      await until(() => linesOf(uuid).length > 0, 'the job to be taken back');
      const row = await rowOf(uuid);
      expect(linesOf(uuid)).toEqual([
        expect.objectContaining({ requestId: 'the-request', attempt, status: row.status, worker: WORKER }),
      ]);
      expect(row.errors).toMatchObject([{ attempt, code: 'JOB_WORKER_LOST', isPublic: true, worker: WORKER }]);
      expect(row.reason).toBe(row.status === 'FAILED' ? 'JOB_WORKER_LOST' : null);
      return `${row.status} ${row.crashes}`;
    };
    const outcomes = await Promise.all(cases.map((one, n) => reaped(n + 1, one)));
    await app.transaction.query({ text: `DELETE FROM jobs WHERE queue = 'unserved'` });
    expect(outcomes).toEqual(cases.map((one) => one[4]));
  });

  it('writes the id of the request that enqueued the job into the log lines of its attempts', async () => {
    const enqueue = () => app.queue.enqueue(Note, { text: 'logged', behave: 'fail' });
    const { id } = await requestContext.run({ requestId: 'the-request' }, enqueue);
    await ends(id, 'FAILED');
    await until(() => linesOf(id).length === 3, 'a line of each attempt');
    expect(linesOf(id).map(({ requestId }) => requestId)).toEqual(['the-request', 'the-request', 'the-request']);
    const { id: own } = await enqueue();
    await ends(own, 'FAILED');
    await until(() => linesOf(own).length === 3, 'a line of each attempt');
    expect(linesOf(own).map(({ requestId }) => requestId)).toEqual([own, own, own]);
  });

  it('runs a suspect beside other jobs when it has waited ten minutes to run alone', async () => {
    const { id: other } = await app.queue.enqueue(Note, { text: 'keeps the process busy', behave: 'wait' });
    const holder = await begun('keeps the process busy');
    const { id } = await app.queue.enqueue(Single, { text: 'suspect' }, { runAt: new Date(Date.now() + 3_600_000) });
    await scansPass(); // otherwise the claim that follows the enqueue may take the job
    await app.transaction.query({
      text: `UPDATE jobs SET crashes = 2, run_at = now() - interval '11 min', announce_at = CASE WHEN announce_at IS NOT NULL THEN now() END WHERE uuid = $1`,
      values: [id],
    });
    await until(() => runsOf('suspect').length > 0, 'the suspect to begin', 15_000); // the other job times out after 20 s
    expect((await rowOf(other)).status).toBe('RUNNING');
    holder.release();
    for (const one of [id, other]) expect(await ends(one, 'SUCCEEDED')).toMatchObject({ attempt: 1, alone: false });
  });

  it('takes over the job of a killed process, and its effect happens once', async () => {
    const url = new URL(database.url);
    await app.transaction.query({ text: 'CREATE TABLE torture_effects (key text, attempt integer)' });
    const worker = () =>
      fork('test/torture/jobs.worker.mjs', {
        env: {
          PATH: process.env['PATH'],
          NODE_ENV: 'test',
          DATABASE_URL: url.href,
          JOB_LEASE: '1000',
          LOG_LEVEL: 'error',
          JWT_SECRET: 'x'.repeat(32),
          SESSION_SECRET: 'x'.repeat(32),
          COOKIE_SECRET: 'x'.repeat(32),
          ...env,
        },
        execArgv: [],
      });
    const insert = `INSERT INTO jobs (id, uuid, type, queue, payload, max_attempts, announce_at)
      VALUES ($1, gen_random_uuid(), 'torture.effect', 'torture', $2, 3, CASE WHEN $3 THEN now() END) RETURNING uuid`;
    const add = async (id: number, payload: object) => {
      const [row] = await app.transaction.query<{ uuid: string }>({
        text: insert,
        values: [id, payload, app.driver.announces],
      });
      return (row as { uuid: string }).uuid;
    };
    const id = await add(1, { key: 'killed', work: 60_000, kind: 'usual' });
    const first = worker();
    await ends(id, 'RUNNING');
    first.kill('SIGKILL');
    await app.transaction.query({
      text: `UPDATE jobs SET payload = jsonb_set(payload, '{work}', '0') WHERE uuid = $1`,
      values: [id],
    });
    const second = worker();
    const row = await ends(id, 'SUCCEEDED');
    expect(row).toMatchObject({ attempt: 2, errors: [{ code: 'JOB_WORKER_LOST' }] });
    expect(await app.transaction.query({ text: 'SELECT * FROM torture_effects' })).toEqual([
      { key: 'killed', attempt: 2 },
    ]);
    second.kill('SIGTERM');
    await once(second, 'exit');
  });
}
