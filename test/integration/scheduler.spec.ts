// Scheduled jobs: each run is enqueued once by one leader, missed runs are made up once, and clock changes are handled.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { lockUnavailable } from '../../src/shared/locks/lock.errors.js';
import type { HeldLock } from '../../src/shared/locks/lock-lease.js';
import { LockService, type LockOptions } from '../../src/shared/locks/lock.service.js';
import { exponential } from '../../src/shared/libs/backoff.js';
import { Clock } from '../../src/shared/libs/clock.js';
import { defineJob, Handles, type JobHandler, type JobOptions, type Schedule } from '../../src/workers/job.js';
import { NoPayload } from '../../src/workers/no-payload.js';
import { nextRun } from '../../src/workers/engine/scheduled-jobs.js';
import { SchedulesRepository } from '../../src/workers/engine/schedules.repository.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { type JobApplication, openJobApplication } from '../support/jobs/job-application.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const common = (name: string, schedule: Schedule<NoPayload>): JobOptions<NoPayload> => ({
  name,
  queue: 'clockwork',
  payload: NoPayload,
  attempts: 1,
  backoff: exponential(10),
  timeoutMs: 5_000,
  schedule,
});
/** A schedule that is due when a test decides. */
const Yearly = defineJob(common('test.yearly', { cron: '0 0 1 1 *', timeZone: 'UTC', payload: {} }));
const Secondly = defineJob(common('test.secondly', { cron: '* * * * * *', timeZone: 'UTC', payload: {} }));
const Unique = defineJob({
  ...common('test.unique', { cron: '0 0 1 1 *', timeZone: 'Europe/Vienna', payload: {} }),
  uniqueKey: () => 'one',
});
const Never = defineJob(common('test.never', { cron: '0 0 31 2 *', timeZone: 'UTC', payload: {} }));

let hold: Promise<void> | undefined;

@Handles(Yearly)
class YearlyHandler implements JobHandler<NoPayload> {
  async run(): Promise<void> {}
}
@Handles(Secondly)
class SecondlyHandler implements JobHandler<NoPayload> {
  async run(): Promise<void> {}
}
@Handles(Unique)
class UniqueHandler implements JobHandler<NoPayload> {
  async run(): Promise<void> {
    await hold;
  }
}
@Handles(Never)
class NeverHandler implements JobHandler<NoPayload> {
  async run(): Promise<void> {}
}

let database: ClonedDatabase;
let apps: JobApplication[];

const open = async (): Promise<JobApplication> => {
  const app = await openJobApplication(database.url, [YearlyHandler, SecondlyHandler, UniqueHandler, NeverHandler]);
  apps.push(app);
  return app;
};
const sql = <R extends object>(text: string, ...values: unknown[]): Promise<R[]> =>
  (apps[0] as JobApplication).transaction.query<R & Record<string, unknown>>({ text, values });
const jobsOf = (type: string) =>
  sql<{ uuid: string; status: string }>('SELECT uuid, status FROM jobs WHERE type = $1 ORDER BY id', type);
const schedule = async (name: string) =>
  (
    await sql<{ next_run_at: Date | null; last_run_at: Date | null; last_job: string | null; cron: string }>(
      'SELECT * FROM schedules WHERE name = $1',
      name,
    )
  )[0];
const due = (name: string, ago: string) =>
  sql(`UPDATE schedules SET next_run_at = now() - $2::interval WHERE name = $1`, name, ago);
const hasLeader = (name = 'test.yearly') => until(() => schedule(name), 'a leader');

beforeEach(async () => {
  database = await cloneDatabase();
  apps = [];
  hold = undefined;
});
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(apps.map((app) => app.close()));
  await database.drop();
});

it('a schedule of every second enqueues one job per second', async () => {
  await (await open()).work();
  const ends: string[] = await until(async () => {
    const rows = await sql<{ second: string }>(
      `SELECT to_char(created_at, 'SS') AS second FROM jobs WHERE type = 'test.secondly' ORDER BY id`,
    );
    return rows.length >= 4 && rows.map(({ second }) => second);
  }, 'four runs');
  expect(new Set(ends).size).toBe(ends.length);
  expect((await schedule('test.secondly'))?.last_job).toEqual((await jobsOf('test.secondly')).at(-1)?.uuid);
});

it('ten missed days are made up by one run, and the next run follows the clock', async () => {
  const app = await open();
  const clock = app.get(Clock as Type<Clock>);
  jest.spyOn(clock, 'now').mockReturnValue(Date.parse('2031-05-05T00:00:00Z')); // only the time of PostgreSQL counts
  await app.work();
  await hasLeader();
  const before = await schedule('test.yearly');
  expect(before?.next_run_at?.toISOString()).toBe(`${new Date().getUTCFullYear() + 1}-01-01T00:00:00.000Z`);
  await due('test.yearly', '10 days');
  await until(async () => (await jobsOf('test.yearly')).length > 0, 'the run');
  const ticks = jest.spyOn(app.get(SchedulesRepository), 'findDue');
  await until(() => ticks.mock.calls.length >= 3, 'three more looks');
  expect(await jobsOf('test.yearly')).toHaveLength(1);
  expect((await schedule('test.yearly'))?.next_run_at).toEqual(before?.next_run_at);
});

it('a unique job that still runs replaces the next run', async () => {
  let release = (): void => undefined;
  hold = new Promise((resolve) => (release = resolve));
  await (await open()).work();
  await hasLeader();
  for (let run = 0; run < 2; run++) {
    await due('test.unique', '1 s');
    await until(async () => ((await schedule('test.unique'))?.next_run_at as Date) > new Date(), 'the run');
  }
  expect(await jobsOf('test.unique')).toHaveLength(1);
  release();
});

it('one process leads, and another takes over when it stops', async () => {
  const [first, second] = [await open(), await open()];
  const looks = [first, second].map((app) => jest.spyOn(app.get(SchedulesRepository), 'findDue'));
  await first.work();
  await hasLeader();
  await second.work();
  await until(() => (looks[0]?.mock.calls.length ?? 0) >= 6, 'the leader to look a few times');
  expect(looks[1]).not.toHaveBeenCalled();
  await first.driver.close();
  await due('test.yearly', '1 s');
  await until(async () => (await jobsOf('test.yearly')).length > 0, 'the second one to lead');
  expect(looks[1]).toHaveBeenCalled();
});

const letAllIn = <T>(_key: string, _options: LockOptions, work: (held: HeldLock) => Promise<T>): Promise<T> =>
  work({ signal: new AbortController().signal, fence: 1n });

describe('the scheduler without its lock', () => {
  it.each(['at once', 'one after the other'])('enqueues a run once if several leaders find it due %s', async (how) => {
    for (const app of [await open(), await open(), await open()]) {
      jest.spyOn(app.get(LockService as Type<LockService>), 'withLock').mockImplementation(letAllIn);
      await app.work();
    }
    await hasLeader();
    for (let run = 1; run <= 4; run++) {
      const leaders = apps.map(holdUp);
      await due('test.yearly', '1 s');
      await until(() => leaders.every(({ isWaiting }) => isWaiting()), 'all to have found it');
      for (const { release, done } of leaders) {
        release();
        if (how === 'one after the other') await done;
      }
      await Promise.all(leaders.map(({ done }) => done));
      for (const { restore } of leaders) restore();
      expect(await jobsOf('test.yearly')).toHaveLength(run);
    }
  });

  /** Holds up a leader that has found the yearly run due, until it is released. */
  function holdUp(app: JobApplication) {
    const repository = app.get(SchedulesRepository);
    const transaction = app.transaction;
    const claim = repository.claimDue.bind(repository);
    const run = transaction.run.bind(transaction);
    let [isHeldUp, release, finish] = [false, (): void => undefined, (): void => undefined];
    const gate = new Promise<void>((open) => (release = open));
    const done = new Promise<void>((open) => (finish = open));
    const claims = jest.spyOn(repository, 'claimDue').mockImplementation(async (name) => {
      if (name === 'test.yearly') {
        isHeldUp = true;
        await gate;
      }
      return claim(name);
    });
    // `done` resolves after the end of the transaction.
    const runs = jest
      .spyOn(transaction, 'run')
      .mockImplementation((work) => run(work).finally(() => isHeldUp && finish()));
    const restore = (): void => [claims, runs].forEach((spy) => spy.mockRestore());
    return { isWaiting: () => isHeldUp, release: () => release(), done, restore };
  }

  it('enqueues due runs when the lock store is down', async () => {
    const app = await open();
    await app.work();
    await hasLeader();
    await app.driver.close();
    const other = await open();
    jest.spyOn(other.get(LockService as Type<LockService>), 'withLock').mockImplementation(async (key) => {
      throw lockUnavailable(key);
    });
    await due('test.yearly', '1 s');
    await other.work();
    await until(async () => (await jobsOf('test.yearly')).length === 1, 'the run');
  });
});

it('schedules follow their definitions: changed ones are due anew, unchanged ones keep missed runs, removed ones disappear', async () => {
  const app = await open();
  await sql(
    `INSERT INTO schedules (name, cron, time_zone, next_run_at) VALUES
      ('test.gone', '* * * * *', 'UTC', now()),
      ('test.yearly', '0 0 1 6 *', 'UTC', '2025-06-01Z'),
      ('test.unique', '0 0 1 1 *', 'UTC', '2025-01-01Z'),
      ('test.never', '0 0 31 2 *', 'UTC', '2025-02-28Z')`,
  );
  await app.work();
  await until(async () => (await jobsOf('test.never')).length > 0, 'the missed run');
  expect(await schedule('test.gone')).toBeUndefined();
  const year = new Date().getUTCFullYear() + 1;
  expect((await schedule('test.yearly'))?.next_run_at?.toISOString()).toBe(`${year}-01-01T00:00:00.000Z`);
  expect((await schedule('test.unique'))?.next_run_at?.toISOString()).toBe(`${year - 1}-12-31T23:00:00.000Z`);
  expect(await schedule('test.never')).toMatchObject({ next_run_at: null, last_run_at: expect.any(Date) });
  expect([await jobsOf('test.yearly'), await jobsOf('test.unique')]).toEqual([[], []]);
});

it('a schedule that cannot be enqueued does not block other schedules', async () => {
  const app = await open();
  const enqueue = app.queue.enqueue.bind(app.queue);
  jest.spyOn(app.queue, 'enqueue').mockImplementation(async (job, payload, options) => {
    const enqueued = await enqueue(job, payload, options);
    if (job.name === 'test.unique') throw new Error('too late');
    return enqueued;
  });
  await app.work();
  await hasLeader();
  await sql(`UPDATE schedules SET next_run_at = now() - interval '1 s' WHERE name IN ('test.unique', 'test.yearly')`);
  await until(async () => (await jobsOf('test.yearly')).length === 1, 'the other');
  await until(() => app.log.some((line) => line.includes('Failed to enqueue the scheduled job')), 'the log line');
  expect(await jobsOf('test.unique')).toEqual([]); // rolled back with its schedule, which is still due
  expect((await schedule('test.unique'))?.last_run_at).toBeNull();
});

describe('schedules in the time zone Vienna', () => {
  const runs = (cron: string, after: string, count: number): string[] => {
    const found: string[] = [];
    for (let at: Date | null = new Date(after); found.length < count; found.push(at.toISOString().slice(0, 16))) {
      at = nextRun({ cron, timeZone: 'Europe/Vienna' }, at);
      if (!at) break;
    }
    return found;
  };

  it('run at 3:00 once instead of 2:30 when the clock goes forward', () => {
    expect(runs('30 2 * * *', '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30', // 2:30
      '2026-03-29T01:00', // 3:00
      '2026-03-30T00:30', // 2:30
    ]);
  });

  it('run only at the first 2:30 when the clock goes back', () => {
    expect(runs('30 2 * * *', '2026-10-24T12:00:00Z', 2)).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
    expect(runs('30 2 * * *', '2026-10-25T01:00:00Z', 1)).toEqual(['2026-10-26T01:30']);
  });

  it('of every half hour run every half hour through clock changes', () => {
    expect(runs('*/30 * * * *', '2026-03-29T00:00:00Z', 3)).toEqual([
      '2026-03-29T00:30',
      '2026-03-29T01:00',
      '2026-03-29T01:30',
    ]);
    expect(runs('*/30 * * * *', '2026-10-25T00:00:00Z', 4)).toEqual([
      '2026-10-25T00:30',
      '2026-10-25T01:00',
      '2026-10-25T01:30',
      '2026-10-25T02:00',
    ]);
  });
});
