// Jobs by the clock: fired once each, made up once, by whoever leads; and what happens when clocks are put forward and back.
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Type } from '@nestjs/common';
import { lockUnavailable } from '../../src/shared/locks/lock.errors.js';
import type { Held } from '../../src/shared/locks/lock-lease.js';
import { LockService, type LockOptions } from '../../src/shared/locks/lock.service.js';
import { exponential } from '../../src/shared/libs/backoff.js';
import { Clock } from '../../src/shared/libs/clock.js';
import { defineJob, Handles, type JobHandler, type JobOptions, type Schedule } from '../../src/workers/job.js';
import { NoPayload } from '../../src/workers/no-payload.js';
import { nextRun } from '../../src/workers/engine/scheduled-jobs.js';
import { SchedulesRepository } from '../../src/workers/engine/schedules.repository.js';
import { type ClonedDatabase, cloneDatabase } from '../support/database.js';
import { type JobHouse, openJobHouse } from '../support/job-house.js';
import { until } from '../support/until.js';

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
/** Due when a test says so. */
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
let houses: JobHouse[];

const open = async (): Promise<JobHouse> => {
  const house = await openJobHouse(database.url, [YearlyHandler, SecondlyHandler, UniqueHandler, NeverHandler]);
  houses.push(house);
  return house;
};
const sql = <R extends object>(text: string, ...values: unknown[]): Promise<R[]> =>
  (houses[0] as JobHouse).transaction.query<R & Record<string, unknown>>({ text, values });
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
  houses = [];
  hold = undefined;
});
afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(houses.map((house) => house.close()));
  await database.drop();
});

it('what is due every second is enqueued every second, once', async () => {
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

it('ten days that were missed are made up once, and it is due next by the clock', async () => {
  const house = await open();
  const clock = house.get(Clock as Type<Clock>);
  jest.spyOn(clock, 'now').mockReturnValue(Date.parse('2031-05-05T00:00:00Z')); // PostgreSQL's time is what counts
  await house.work();
  await hasLeader();
  const before = await schedule('test.yearly');
  expect(before?.next_run_at?.toISOString()).toBe(`${new Date().getUTCFullYear() + 1}-01-01T00:00:00.000Z`);
  await due('test.yearly', '10 days');
  await until(async () => (await jobsOf('test.yearly')).length > 0, 'the run');
  const ticks = jest.spyOn(house.get(SchedulesRepository), 'findDue');
  await until(() => ticks.mock.calls.length >= 3, 'three more looks');
  expect(await jobsOf('test.yearly')).toHaveLength(1);
  expect((await schedule('test.yearly'))?.next_run_at).toEqual(before?.next_run_at);
});

it('a run that still goes on stands for the next one', async () => {
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

it('one process leads; when it goes another one does', async () => {
  const [first, second] = [await open(), await open()];
  const looks = [first, second].map((house) => jest.spyOn(house.get(SchedulesRepository), 'findDue'));
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

const letAllIn = <T>(_key: string, _options: LockOptions, work: (held: Held) => Promise<T>): Promise<T> =>
  work({ signal: new AbortController().signal, fence: 1n });

describe('without the lock', () => {
  it.each(['at once', 'one after the other'])('leaders that found the same run due, %s, fire it once', async (how) => {
    for (const house of [await open(), await open(), await open()]) {
      jest.spyOn(house.get(LockService as Type<LockService>), 'withLock').mockImplementation(letAllIn);
      await house.work();
    }
    await hasLeader();
    for (let run = 1; run <= 4; run++) {
      const leaders = houses.map(holdUp);
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

  /** A leader that has found the yearly run due, and gets no further until it is let. */
  function holdUp(house: JobHouse) {
    const repository = house.get(SchedulesRepository);
    const transaction = house.transaction;
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
    // `done` after the end of the transaction
    const runs = jest
      .spyOn(transaction, 'run')
      .mockImplementation((work) => run(work).finally(() => isHeldUp && finish()));
    const restore = (): void => [claims, runs].forEach((spy) => spy.mockRestore());
    return { isWaiting: () => isHeldUp, release: () => release(), done, restore };
  }

  it('because its store is away, what is due is fired all the same', async () => {
    const house = await open();
    await house.work();
    await hasLeader();
    await house.driver.close();
    const other = await open();
    jest.spyOn(other.get(LockService as Type<LockService>), 'withLock').mockImplementation(async (key) => {
      throw lockUnavailable(key);
    });
    await due('test.yearly', '1 s');
    await other.work();
    await until(async () => (await jobsOf('test.yearly')).length === 1, 'the run');
  });
});

it('a schedule follows its definition: changed ones are due anew, others keep what they missed, gone ones go', async () => {
  const house = await open();
  await sql(
    `INSERT INTO schedules (name, cron, time_zone, next_run_at) VALUES
      ('test.gone', '* * * * *', 'UTC', now()),
      ('test.yearly', '0 0 1 6 *', 'UTC', '2025-06-01Z'),
      ('test.unique', '0 0 1 1 *', 'UTC', '2025-01-01Z'),
      ('test.never', '0 0 31 2 *', 'UTC', '2025-02-28Z')`,
  );
  await house.work();
  await until(async () => (await jobsOf('test.never')).length > 0, 'what was missed');
  expect(await schedule('test.gone')).toBeUndefined();
  const year = new Date().getUTCFullYear() + 1;
  expect((await schedule('test.yearly'))?.next_run_at?.toISOString()).toBe(`${year}-01-01T00:00:00.000Z`);
  expect((await schedule('test.unique'))?.next_run_at?.toISOString()).toBe(`${year - 1}-12-31T23:00:00.000Z`);
  expect(await schedule('test.never')).toMatchObject({ next_run_at: null, last_run_at: expect.any(Date) });
  expect([await jobsOf('test.yearly'), await jobsOf('test.unique')]).toEqual([[], []]);
});

it('one that cannot be enqueued holds up no other', async () => {
  const house = await open();
  const enqueue = house.queue.enqueue.bind(house.queue);
  jest.spyOn(house.queue, 'enqueue').mockImplementation(async (job, payload, options) => {
    const enqueued = await enqueue(job, payload, options);
    if (job.name === 'test.unique') throw new Error('too late');
    return enqueued;
  });
  await house.work();
  await hasLeader();
  await sql(`UPDATE schedules SET next_run_at = now() - interval '1 s' WHERE name IN ('test.unique', 'test.yearly')`);
  await until(async () => (await jobsOf('test.yearly')).length === 1, 'the other');
  await until(() => house.log.some((line) => line.includes('Failed to enqueue the scheduled job')), 'the log line');
  expect(await jobsOf('test.unique')).toEqual([]); // rolled back with its schedule, which is due still
  expect((await schedule('test.unique'))?.last_run_at).toBeNull();
});

describe('in Vienna', () => {
  const runs = (cron: string, after: string, count: number): string[] => {
    const found: string[] = [];
    for (let at: Date | null = new Date(after); found.length < count; found.push(at.toISOString().slice(0, 16))) {
      at = nextRun({ cron, timeZone: 'Europe/Vienna' }, at);
      if (!at) break;
    }
    return found;
  };

  it('what is due at 2:30 when the clock goes from 2 to 3 is due at 3, once', () => {
    expect(runs('30 2 * * *', '2026-03-28T00:00:00Z', 3)).toEqual([
      '2026-03-28T01:30', // 2:30
      '2026-03-29T01:00', // 3:00
      '2026-03-30T00:30', // 2:30
    ]);
  });

  it('what is due at 2:30 when the clock goes from 3 to 2 is due at the first 2:30 only', () => {
    expect(runs('30 2 * * *', '2026-10-24T12:00:00Z', 2)).toEqual(['2026-10-25T00:30', '2026-10-26T01:30']);
    expect(runs('30 2 * * *', '2026-10-25T01:00:00Z', 1)).toEqual(['2026-10-26T01:30']);
  });

  it('what is due every half hour runs on every half hour', () => {
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
