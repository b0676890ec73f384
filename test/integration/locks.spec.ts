// The lock contract on PostgreSQL, one Redis and a Redis Cluster: between processes and within one process.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import {
  hold,
  newPrefix,
  type LockInstance,
  openLock,
  postgresLockAdmin,
  redisLockAdmin,
  type LockAdmin,
} from '../support/stores/lock-stores.js';
import { OwnRedisCluster } from '../support/engines/own-redis.js';
import { REDIS_SERVER, REDIS_URL, redisAnswers } from '../support/engines/services.js';

jest.setTimeout(60_000);

const TTL = 300;

interface Store {
  env: Record<string, string>;
  stop?: () => Promise<void>;
}

const STORES: Array<[name: string, present: boolean, start: () => Promise<Store>]> = [
  ['PostgreSQL', true, async () => ({ env: {} })],
  ['Redis', redisAnswers, async () => ({ env: { REDIS_URL, REDIS_PREFIX: newPrefix() } })],
  [
    'a Redis Cluster',
    REDIS_SERVER !== undefined,
    async () => {
      const cluster = await OwnRedisCluster.start();
      return { env: { REDIS_CLUSTER_NODES: cluster.addresses }, stop: () => cluster.stop() };
    },
  ],
];

for (const [name, present, start] of STORES) {
  const suite = present ? describe : describe.skip;
  suite(`locks in ${name}`, () => contract(start));
}

function contract(start: () => Promise<Store>): void {
  let database: ClonedDatabase;
  let store: Store;
  let one: LockInstance;
  let other: LockInstance;
  let admin: LockAdmin;
  let keys = 0;
  const newKey = (): string => `}{ ${++keys}`; // braces that would confuse the hash tags of a cluster

  beforeAll(async () => {
    [database, store] = [await cloneDatabase(), await start()];
    [one, other] = [await openLock(database.url, store.env), await openLock(database.url, store.env)];
    admin = one.redis ? redisLockAdmin(one) : await postgresLockAdmin(database.url);
  });
  afterAll(async () => {
    for (const process of [admin, one, other]) await process.close();
    await store.stop?.();
    await database.drop();
  });

  it('one of many callers in two processes holds the lock at a time, and fences grow in the order of holders', async () => {
    const key = newKey();
    const fences: bigint[] = [];
    let inside = 0;
    const enter = ({ locks, transaction }: LockInstance) =>
      locks.withLock(key, { ttl: 60_000 }, async ({ fence }) => {
        expect(++inside).toBe(1);
        fences.push(fence);
        await transaction.query({ text: 'SELECT 1' }); // gives other callers the time to enter by mistake
        inside--;
        return fence;
      });
    const given = await Promise.all(Array.from({ length: 40 }, (_, at) => enter(at % 2 === 0 ? one : other)));
    expect(fences).toHaveLength(40);
    expect(fences).toEqual([...given].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(fences).size).toBe(40);
  });

  it('callers within a process enter in order of arrival', async () => {
    const key = newKey();
    const first = await hold(one, key, TTL);
    const order: number[] = [];
    const line = [1, 2, 3, 4].map((at) => one.locks.withLock(key, { ttl: TTL }, async () => void order.push(at)));
    await first.release();
    await Promise.all(line);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('locks of different keys are independent, and their fences grow in one sequence', async () => {
    const [a, b] = [await hold(one, newKey(), TTL), await hold(one, newKey(), TTL)];
    const c = await hold(other, newKey(), TTL);
    expect(a.fence < b.fence && b.fence < c.fence).toBe(true);
    for (const held of [a, b, c]) await held.release();
  });

  it.each([0, 400])('a caller that waits %i ms in vain gets LOCK_BUSY, and its work does not run', async (wait) => {
    const key = newKey();
    const first = await hold(one, key, TTL);
    const work = jest.fn(async () => undefined);
    for (const { locks } of [one, other]) {
      const began = performance.now();
      const refused = locks.withLock(key, { ttl: TTL, wait }, work);
      await expect(refused).rejects.toMatchObject({ code: 'LOCK_BUSY', status: 409, headers: { 'Retry-After': '1' } });
      expect(performance.now() - began).toBeGreaterThan(wait - 2);
      expect(performance.now() - began).toBeLessThan(wait + 1_000);
    }
    expect(work).not.toHaveBeenCalled();
    await first.release();
    for (const { locks } of [other, one]) await locks.withLock(key, { ttl: TTL, wait: 0 }, work);
    expect(work).toHaveBeenCalledTimes(2);
  });

  it('a lock outlives its ttl while its holder lives', async () => {
    const key = newKey();
    const first = await hold(one, key, TTL);
    const others = other.locks.withLock(key, { ttl: TTL, wait: 5 * TTL }, async () => undefined);
    await expect(others).rejects.toMatchObject({ code: 'LOCK_BUSY' });
    expect(first.signal.aborted).toBe(false);
    await first.release();
  });

  it('a holder that loses its lock is aborted and fenced out, gets LOCK_LOST, and does not take the lock back', async () => {
    const key = newKey();
    await one.transaction.query({ text: 'CREATE TABLE IF NOT EXISTS guarded AS SELECT 0::bigint AS fence' });
    const write = (fence: bigint) =>
      one.transaction.query({
        text: 'UPDATE guarded SET fence = $1 WHERE fence < $1 RETURNING fence',
        values: [fence],
      });
    const first = await hold(one, key, TTL);
    const aborted = once(first.signal, 'abort');
    await admin.steal(key);
    const second = await hold(other, key, TTL);
    await aborted;
    expect(first.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await write(second.fence)).toHaveLength(1);
    expect(await write(first.fence)).toHaveLength(0);

    await expect(first.release()).rejects.toMatchObject({ code: 'LOCK_LOST', status: 503 });
    const third = one.locks.withLock(key, { ttl: TTL, wait: 0 }, async () => undefined);
    await expect(third).rejects.toMatchObject({ code: 'LOCK_BUSY' });
    expect(second.signal.aborted).toBe(false);
    await second.release();
  });

  it('work that ends before it notices the loss of its lock fails with LOCK_LOST', async () => {
    const key = newKey();
    const ended = one.locks.withLock(key, { ttl: 60_000 }, () => admin.steal(key));
    await expect(ended).rejects.toMatchObject({ code: 'LOCK_LOST' });
  });

  it('an error of the work reaches the caller and frees the lock', async () => {
    const key = newKey();
    const failing = one.locks.withLock(key, { ttl: TTL }, () => Promise.reject(new Error('of the work')));
    await expect(failing).rejects.toThrow('of the work');
    expect(await other.locks.withLock(key, { ttl: TTL, wait: 0 }, async () => 'done')).toBe('done');
  });

  it.each([
    ['a ttl that is too short to renew', { ttl: 100 }, 'The ttl of a lock is 100'],
    ['a ttl that is not an integer', { ttl: 1_000 / 3 }, 'The ttl of a lock is 333.3'],
    ['an infinite wait', { ttl: TTL, wait: Infinity }, 'The wait of a lock is Infinity'],
  ])('%s is refused before the store is called', async (_what, options, message) => {
    await expect(one.locks.withLock(newKey(), options, async () => 1)).rejects.toThrow(message);
  });

  it('a lock within a transaction is refused', async () => {
    const around = one.transaction.run(() => one.locks.withLock(newKey(), { ttl: TTL }, async () => 1));
    await expect(around).rejects.toThrow('Open the transaction inside the work');
  });
}
