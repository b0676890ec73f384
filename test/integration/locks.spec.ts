// Locks as one contract, kept by PostgreSQL, one Redis and a Redis Cluster: between processes and within one.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { type ClonedDatabase, cloneDatabase } from '../support/database.js';
import {
  hold,
  newPrefix,
  type OneLock,
  openLock,
  outsidePostgres,
  outsideRedis,
  type Outside,
} from '../support/lock-stores.js';
import { OwnRedisCluster } from '../support/own-redis.js';
import { REDIS_SERVER, REDIS_URL, redisAnswers } from '../support/services.js';

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
  suite(`in ${name}`, () => contract(start));
}

function contract(start: () => Promise<Store>): void {
  let database: ClonedDatabase;
  let store: Store;
  let one: OneLock;
  let other: OneLock;
  let outside: Outside;
  let keys = 0;
  const newKey = (): string => `}{ ${++keys}`; // braces would lead the hash tags of a cluster astray

  beforeAll(async () => {
    [database, store] = [await cloneDatabase(), await start()];
    [one, other] = [await openLock(database.url, store.env), await openLock(database.url, store.env)];
    outside = one.redis ? outsideRedis(one) : await outsidePostgres(database.url);
  });
  afterAll(async () => {
    for (const process of [outside, one, other]) await process.close();
    await store.stop?.();
    await database.drop();
  });

  it('of many in two processes at most one is in, and fences grow in the order of holding', async () => {
    const key = newKey();
    const fences: bigint[] = [];
    let inside = 0;
    const enter = ({ locks, transaction }: OneLock) =>
      locks.withLock(key, { ttl: TTL }, async ({ fence }) => {
        expect(++inside).toBe(1);
        fences.push(fence);
        await transaction.query({ text: 'SELECT 1' }); // others get the time to come in
        inside--;
        return fence;
      });
    const given = await Promise.all(Array.from({ length: 40 }, (_, at) => enter(at % 2 === 0 ? one : other)));
    expect(fences).toHaveLength(40);
    expect(fences).toEqual([...given].sort((a, b) => (a < b ? -1 : 1)));
    expect(new Set(fences).size).toBe(40);
  });

  it('within a process whoever came first goes first', async () => {
    const key = newKey();
    const first = await hold(one, key, TTL);
    const order: number[] = [];
    const line = [1, 2, 3, 4].map((at) => one.locks.withLock(key, { ttl: TTL }, async () => void order.push(at)));
    await first.leave();
    await Promise.all(line);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it('one key does not hold up another, whose fences go on from its own', async () => {
    const [a, b] = [await hold(one, newKey(), TTL), await hold(one, newKey(), TTL)];
    const c = await hold(other, newKey(), TTL);
    expect(a.fence < b.fence && b.fence < c.fence).toBe(true);
    for (const held of [a, b, c]) await held.leave();
  });

  it.each([0, 400])('who waited %i ms in vain is told so, and nothing is done', async (wait) => {
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
    await first.leave();
    for (const { locks } of [other, one]) await locks.withLock(key, { ttl: TTL, wait: 0 }, work);
    expect(work).toHaveBeenCalledTimes(2);
  });

  it('as long as its holder lives it outlives its ttl', async () => {
    const key = newKey();
    const first = await hold(one, key, TTL);
    const others = other.locks.withLock(key, { ttl: TTL, wait: 5 * TTL }, async () => undefined);
    await expect(others).rejects.toMatchObject({ code: 'LOCK_BUSY' });
    expect(first.signal.aborted).toBe(false);
    await first.leave();
  });

  it('who loses it is called off, fenced out, told so, and does not take it from the next one', async () => {
    const key = newKey();
    await one.transaction.query({ text: 'CREATE TABLE IF NOT EXISTS guarded AS SELECT 0::bigint AS fence' });
    const write = (fence: bigint) =>
      one.transaction.query({
        text: 'UPDATE guarded SET fence = $1 WHERE fence < $1 RETURNING fence',
        values: [fence],
      });
    const first = await hold(one, key, TTL);
    const aborted = once(first.signal, 'abort');
    await outside.steal(key);
    const second = await hold(other, key, TTL);
    await aborted;
    expect(first.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(second.fence).toBeGreaterThan(first.fence);
    expect(await write(second.fence)).toHaveLength(1);
    expect(await write(first.fence)).toHaveLength(0);

    await expect(first.leave()).rejects.toMatchObject({ code: 'LOCK_LOST', status: 503 });
    const third = one.locks.withLock(key, { ttl: TTL, wait: 0 }, async () => undefined);
    await expect(third).rejects.toMatchObject({ code: 'LOCK_BUSY' });
    expect(second.signal.aborted).toBe(false);
    await second.leave();
  });

  it('work that came to its end before it heard of the loss is not called done', async () => {
    const key = newKey();
    const ended = one.locks.withLock(key, { ttl: 60_000 }, () => outside.steal(key));
    await expect(ended).rejects.toMatchObject({ code: 'LOCK_LOST' });
  });

  it('what the work throws reaches the caller, and the lock is free', async () => {
    const key = newKey();
    const failing = one.locks.withLock(key, { ttl: TTL }, () => Promise.reject(new Error('of the work')));
    await expect(failing).rejects.toThrow('of the work');
    expect(await other.locks.withLock(key, { ttl: TTL, wait: 0 }, async () => 'done')).toBe('done');
  });

  it.each([
    ['a ttl that is too short to renew', { ttl: 100 }, 'The ttl of a lock is 100'],
    ['a ttl that is no whole number', { ttl: 1_000 / 3 }, 'The ttl of a lock is 333.3'],
    ['a wait that has no end', { ttl: TTL, wait: Infinity }, 'The wait of a lock is Infinity'],
  ])('%s is refused before the store is asked', async (_what, options, message) => {
    await expect(one.locks.withLock(newKey(), options, async () => 1)).rejects.toThrow(message);
  });

  it('a transaction around it is refused', async () => {
    const around = one.transaction.run(() => one.locks.withLock(newKey(), { ttl: TTL }, async () => 1));
    await expect(around).rejects.toThrow('Open the transaction inside the work');
  });
}
