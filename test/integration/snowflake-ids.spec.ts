// Snowflake ids with the real lease table: two generators, clock changes, and expired leases.
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { DataSource } from 'typeorm';
import { DatabaseSettings } from '../../src/shared/database/database.settings.js';
import { SystemClock } from '../../src/shared/libs/clock.js';
import { servingOptions } from '../../src/shared/database/database.options.js';
import { PipelinedConnections } from '../../src/shared/database/pipelined-connections.js';
import { SNOWFLAKE_EPOCH, SnowflakeIds } from '../../src/shared/database/snowflake-ids.js';
import { testConfig } from '../support/config.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { ManualClock } from '../support/time/manual-clock.js';

const HOUR_MS = 3_600_000;

let database: ClonedDatabase;
let dataSource: DataSource;
let connections: PipelinedConnections;

beforeAll(async () => {
  database = await cloneDatabase();
  dataSource = await new DataSource(
    servingOptions(testConfig(database.url).get(DatabaseSettings), database.url),
  ).initialize();
  connections = new PipelinedConnections(dataSource);
});
afterAll(async () => {
  await connections.onApplicationShutdown();
  await dataSource.destroy();
  await database.drop();
});

/** Leaves only the instance numbers 0 and 1 free, so that a lease is soon taken again. */
beforeEach(() =>
  dataSource.query(
    `UPDATE snowflake_lease SET reserved_ms = 0,
       lease_until = CASE WHEN instance_id < 2 THEN '-infinity' ELSE 'infinity' END::timestamptz`,
  ),
);
afterEach(() => dataSource.query(`UPDATE snowflake_lease SET lease_until = '-infinity'`));

/** Simulates a minute without renewal: the number is free, and its holder does not know it. */
async function expireLease(instance: number): Promise<void> {
  await dataSource.query(
    `UPDATE snowflake_lease SET lease_until = CASE WHEN instance_id = $1 THEN '-infinity' ELSE 'infinity' END::timestamptz`,
    [instance],
  );
}

async function take(ids: SnowflakeIds, count: number): Promise<bigint[]> {
  const taken: bigint[] = [];
  while (taken.length < count) taken.push(BigInt(await ids.next()));
  return taken;
}

const millisecondOf = (id: bigint | undefined) => Number((id ?? 0n) >> 22n) + SNOWFLAKE_EPOCH;
const instanceOf = (id: bigint | undefined) => Number(((id ?? 0n) >> 10n) & 0xfffn);

function expectAscending(ids: bigint[]): void {
  expect(ids.findIndex((id, at) => at > 0 && id <= (ids[at - 1] as bigint))).toBe(-1);
}

it('100,000 ids are unique, ascending, positive 64-bit numbers that contain their time', async () => {
  const before = Date.now();
  const ids = await take(new SnowflakeIds(connections, new SystemClock()), 100_000);
  expectAscending(ids);
  expect(millisecondOf(ids[0])).toBeGreaterThanOrEqual(before);
  expect(millisecondOf(ids[0])).toBeLessThanOrEqual(Date.now());
  expect(ids.at(-1)).toBeLessThan(2n ** 63n);
});

it('a transaction gets an id while transactions hold all connections of the pool', async () => {
  const clock = new ManualClock();
  const ids = new SnowflakeIds(connections, clock);
  await ids.next();
  clock.time += HOUR_MS; // the next id needs a new reservation
  const { poolSize = 0 } = dataSource.options as { poolSize?: number };
  const runners = Array.from({ length: poolSize }, () => dataSource.createQueryRunner());
  expect(runners.length).toBeGreaterThan(0);
  try {
    for (const runner of runners) await runner.startTransaction();
    expect(BigInt(await ids.next())).toBeGreaterThan(0n);
  } finally {
    for (const runner of runners) {
      if (runner.isTransactionActive) await runner.rollbackTransaction();
      await runner.release();
    }
  }
});

it('concurrent callers get different ids', async () => {
  const ids = new SnowflakeIds(connections, new SystemClock());
  expect(new Set(await Promise.all(Array.from({ length: 5_000 }, () => ids.next()))).size).toBe(5_000);
});

it('two generators on the same millisecond never share an id', async () => {
  const clock = new ManualClock();
  const two = [new SnowflakeIds(connections, clock), new SnowflakeIds(connections, clock)];
  const ids = (await Promise.all(two.map((generator) => take(generator, 5_000)))).flat();
  expect(new Set(ids).size).toBe(10_000);
  expect(new Set(ids.map(instanceOf))).toEqual(new Set([0, 1]));
});

it('a third generator is refused while both numbers are leased', async () => {
  const clock = new ManualClock();
  for (let holder = 0; holder < 2; holder++) await new SnowflakeIds(connections, clock).next();
  await expect(new SnowflakeIds(connections, clock).next()).rejects.toThrow('instance numbers are leased');
});

it('a clock that steps back an hour causes no duplicate ids, not even in the next process', async () => {
  const clock = new ManualClock();
  const generator = new SnowflakeIds(connections, clock);
  const ids = await take(generator, 3_000);
  clock.time -= HOUR_MS;
  ids.push(...(await take(generator, 3_000)));
  await expireLease(instanceOf(ids[0]));
  ids.push(...(await take(new SnowflakeIds(connections, clock), 3_000)));
  expect(new Set(ids.map(instanceOf)).size).toBe(1);
  expectAscending(ids);
});

it('the reservation is renewed over time with the same number', async () => {
  const clock = new ManualClock();
  const generator = new SnowflakeIds(connections, clock);
  const ids: bigint[] = [];
  for (let hour = 0; hour < 5; hour++, clock.time += HOUR_MS) ids.push(...(await take(generator, 10)));
  expectAscending(ids);
  expect(new Set(ids.map(instanceOf)).size).toBe(1);
  const [row] = await dataSource.query<[{ reserved_ms: string }]>(
    'SELECT reserved_ms FROM snowflake_lease WHERE instance_id = $1',
    [instanceOf(ids[0])],
  );
  expect(Number(row.reserved_ms)).toBeGreaterThanOrEqual(millisecondOf(ids.at(-1)));
});

it('a new holder of an expired lease starts above its reservation, and the old holder changes its number', async () => {
  const clock = new ManualClock();
  const sleeper = new SnowflakeIds(connections, clock);
  const before = await take(sleeper, 100);
  const instance = instanceOf(before[0]);
  const [row] = await dataSource.query<[{ reserved_ms: string }]>(
    'SELECT reserved_ms FROM snowflake_lease WHERE instance_id = $1',
    [instance],
  );
  await expireLease(instance);
  const thief = await take(new SnowflakeIds(connections, clock), 100);
  expect(instanceOf(thief[0])).toBe(instance);
  expect(millisecondOf(thief[0])).toBeGreaterThan(Number(row.reserved_ms));

  await dataSource.query(`UPDATE snowflake_lease SET lease_until = '-infinity' WHERE instance_id = $1`, [1 - instance]);
  clock.time = Number(row.reserved_ms);
  const within = await take(sleeper, 100);
  expect(instanceOf(within[0])).toBe(instance); // the old holder may still use its reservation
  clock.time += 1;
  const after = await take(sleeper, 100);
  expect(instanceOf(after[0])).toBe(1 - instance);
  expect(new Set([...before, ...thief, ...within, ...after]).size).toBe(400);
});
