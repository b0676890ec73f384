// The contract of the cache on every store: two processes on one database without Redis, with one Redis and with a Redis Cluster.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { allReady, type CacheInstance, openCache } from '../support/stores/caches.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { OwnRedisCluster } from '../support/engines/own-redis.js';
import { REDIS_SERVER, REDIS_URL, redisAnswers } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

interface Store {
  env: Record<string, string>;
  close(): Promise<void>;
}

const nothing = async (): Promise<void> => undefined;

const stores: Array<[name: string, available: boolean, open: () => Promise<Store>]> = [
  ['memory', true, async () => ({ env: {}, close: nothing })],
  ['redis', redisAnswers, async () => ({ env: { REDIS_URL }, close: nothing })],
  [
    'redis cluster',
    REDIS_SERVER !== undefined,
    async () => {
      const cluster = await OwnRedisCluster.start();
      return { env: { REDIS_CLUSTER_NODES: cluster.addresses }, close: () => cluster.stop() };
    },
  ],
];

for (const [name, available, openStore] of stores) {
  const suite = available ? describe : describe.skip;
  suite(`the cache on ${name}`, () => {
    let database: ClonedDatabase;
    let store: Store;
    let one: CacheInstance;
    let two: CacheInstance;
    const shares = name !== 'memory';

    beforeAll(async () => {
      database = await cloneDatabase();
      store = await openStore();
      const env = { ...store.env, REDIS_PREFIX: `test-${randomUUID()}` };
      [one, two] = await Promise.all([openCache(database.url, env), openCache(database.url, env)]);
      await allReady(one, two);
    });
    afterAll(async () => {
      await one.cache.deletePattern('*');
      await Promise.all([one.close(), two.close()]);
      await store.close();
      await database.drop();
    });

    /** Runs `check` again when one of the processes took Redis for away meanwhile, as on a busy machine. */
    async function whileRedisAnswers(check: () => Promise<void>): Promise<void> {
      let changes = 0;
      for (const { redis } of [one, two]) redis?.onChange(() => changes++);
      for (;;) {
        await allReady(one, two);
        const before = changes;
        try {
          return await check();
        } catch (error) {
          if (changes === before) throw error;
        }
      }
    }

    const fresh = () => `key:${randomUUID()}`;
    const options = (...tags: string[]) => ({ ttl: 60_000, tags });

    it('loads a value once and caches it, and caches its absence', async () => {
      const key = fresh();
      const load = jest.fn(async () => ({ title: 'a' }));
      expect(await one.cache.wrap(key, options(), load)).toEqual({ title: 'a' });
      expect(await one.cache.wrap(key, options(), load)).toEqual({ title: 'a' });
      expect(load).toHaveBeenCalledTimes(1);
      const absent = jest.fn(async () => null);
      for (let at = 0; at < 2; at++) expect(await one.cache.wrap(`${key}:absent`, options(), absent)).toBeNull();
      expect(absent).toHaveBeenCalledTimes(1);
    });

    it('caches an absence for 5 s at most', async () => {
      const key = fresh();
      await one.cache.wrap(key, options(), async () => null);
      one.clock.time += 5_600;
      if (!shares) expect(await one.cache.wrap(key, options(), async () => 'created')).toBe('created');
      else
        await until(
          async () => (await one.cache.wrap(key, options(), async () => 'created')) === 'created',
          'the absence to be forgotten',
        );
      one.clock.time -= 5_600;
    });

    it('a value that one process loaded is not loaded again by another on a shared store', () =>
      whileRedisAnswers(async () => {
        const key = fresh();
        await one.cache.wrap(key, options(), async () => 'by one');
        const load = jest.fn(async () => 'by two');
        expect(await two.cache.wrap(key, options(), load)).toBe(shares ? 'by one' : 'by two');
      }));

    it('one of 200 simultaneous readers in two processes loads the value', () =>
      whileRedisAnswers(async () => {
        const key = fresh();
        const load = jest.fn(async () => new Promise((resolve) => setTimeout(resolve, 60, 'loaded')));
        const readers = Array.from({ length: 200 }, async (_, at) =>
          (at % 2 ? one : two).cache.wrap(key, options('stampede'), load),
        );
        expect(new Set(await Promise.all(readers))).toEqual(new Set(['loaded']));
        expect(load).toHaveBeenCalledTimes(shares ? 1 : 2);
      }));

    it('a failed load rejects all waiting readers, and is not cached', async () => {
      const key = fresh();
      const readers = [0, 1].map(async () => one.cache.wrap(key, options(), () => Promise.reject(new Error('no'))));
      expect(await Promise.allSettled(readers)).toEqual(
        [0, 1].map(() => expect.objectContaining({ status: 'rejected' })),
      );
      expect(await two.cache.wrap(key, options(), async () => 'better')).toBe('better');
    });

    it('every process sees a change at once', async () => {
      const key = fresh();
      const tag = `tag:${key}`;
      let row = 1;
      const read = ({ cache }: CacheInstance) => cache.wrap(key, options(tag, 'another'), async () => row);
      expect([await read(one), await read(two)]).toEqual([1, 1]);
      await one.cache.changing([tag], async () => void row++);
      expect([await read(two), await read(one)]).toEqual([2, 2]);
      await two.transaction.run(async () => {
        await two.cache.invalidate([tag]);
        row++;
      });
      expect([await read(one), await read(two)]).toEqual([3, 3]);
    });

    it('a value that a change overtakes during its load is not cached', async () => {
      const key = fresh();
      const tag = `tag:${key}`;
      let goOn!: (value: string) => void;
      const slow = one.cache.wrap(key, options(tag), () => new Promise<string>((resolve) => (goOn = resolve)));
      await until(() => goOn as unknown, 'the load to begin');
      await two.cache.changing([tag], nothing);
      goOn('old');
      expect(await slow).toBe('old');
      for (const { cache } of [one, two]) expect(await cache.wrap(key, options(tag), async () => 'new')).toBe('new');
    });

    it('a read after a change does not join a load from before it', async () => {
      const key = fresh();
      const tag = `tag:${key}`;
      let goOn!: (value: string) => void;
      const slow = one.cache.wrap(key, options(tag), () => new Promise<string>((resolve) => (goOn = resolve)));
      await until(() => goOn as unknown, 'the load to begin');
      await one.cache.changing([tag], nothing);
      expect(await one.cache.wrap(key, options(tag), async () => 'new')).toBe('new');
      goOn('old');
      expect(await slow).toBe('old');
    });

    it('nothing is cached between the announcement and the end of a change; caching resumes after a rollback', async () => {
      const key = fresh();
      const tag = `tag:${key}`;
      const load = jest.fn(async () => 'value');
      const rolledBack = one.cache.changing([tag], async () => {
        for (const { cache } of [one, two, one, two]) await cache.wrap(key, options(tag), load);
        throw new Error('rolled back');
      });
      await expect(rolledBack).rejects.toThrow('rolled back');
      expect(load).toHaveBeenCalledTimes(4);
      await until(async () => {
        load.mockClear();
        await two.cache.wrap(key, options(tag), load);
        await two.cache.wrap(key, options(tag), load);
        return load.mock.calls.length < 2;
      }, 'the tag to be cacheable again');
    });

    it('of two changes to one tag, the end of the first does not resume caching', async () => {
      const key = fresh();
      const tag = `tag:${key}`;
      const load = jest.fn(async () => 'value');
      await one.cache.changing([tag], async () => {
        await two.cache.changing([tag], nothing);
        for (const { cache } of [one, two, one, two]) await cache.wrap(key, options(tag), load);
      });
      expect(load).toHaveBeenCalledTimes(4);
    });

    it('a read within a transaction always loads', async () => {
      const key = fresh();
      await one.cache.wrap(key, options(), async () => 'committed');
      const inside = await one.transaction.run(async () => one.cache.wrap(key, options(), async () => 'uncommitted'));
      expect(inside).toBe('uncommitted');
      expect(await one.cache.wrap(key, options(), async () => 'other')).toBe('committed');
    });

    it('gets, sets and deletes values', async () => {
      const key = fresh();
      expect(await one.cache.get(key)).toBeUndefined();
      await one.cache.set(key, { n: 1 }, options());
      expect(await one.cache.get(key)).toEqual({ n: 1 });
      expect(await two.cache.get(key)).toEqual(shares ? { n: 1 } : undefined);
      expect(await one.cache.delete(key)).toBe(true);
      expect(await one.cache.delete(key)).toBe(false);
      expect(await two.cache.get(key)).toBeUndefined();
      await one.cache.set(key, 'tagged', options(`tag:${key}`));
      await two.cache.changing([`tag:${key}`], nothing);
      expect(await one.cache.get(key)).toBeUndefined();
    });

    it('deletes by pattern in every layer of every process, and nothing else', async () => {
      const group = `group[1]:${randomUUID()}`;
      for (let at = 0; at < 5; at++) await one.cache.set(`${group}:${at}`, at, options());
      await one.cache.set(`${group}x`, 'stays', options());
      for (let at = 0; at < 5; at++) await two.cache.wrap(`${group}:${at}`, options(), async () => at);
      expect(await one.cache.deletePattern(`${group.replace('[1]', '[[]1]')}:*`)).toBe(shares ? 5 : 10);
      for (const { cache } of [one, two])
        for (let at = 0; at < 5; at++) expect(await cache.get(`${group}:${at}`)).toBeUndefined();
      expect(await one.cache.get(`${group}x`)).toBe('stays');
    });

    it('an uncached load is shared by simultaneous readers only', async () => {
      const key = fresh();
      const load = jest.fn(async () => 'value');
      const ask = async () => one.cache.wrap(key, { ttl: 0, tags: [] }, load);
      expect(await Promise.all([ask(), ask(), ask()])).toEqual(['value', 'value', 'value']);
      expect(load).toHaveBeenCalledTimes(1);
      await ask();
      expect(load).toHaveBeenCalledTimes(2);
    });

    it('reads many keys at once and loads the missing ones together', async () => {
      const keys = Array.from({ length: 41 }, () => fresh());
      await one.cache.wrap(keys[0] as string, options(), async () => 'known');
      const load = jest.fn(
        async (missing: string[]) =>
          new Map(missing.filter((key) => key !== keys[1]).map((key) => [key, `loaded ${key}`])),
      );
      const values = await one.cache.mget([...keys, keys[1] as string], () => options(), load);
      expect(load.mock.calls.flat(2).sort()).toEqual(keys.slice(1).sort());
      expect(load.mock.calls.length).toBeLessThanOrEqual(shares ? 20 : 1); // depends on how the responses of Redis arrive
      expect(values).toEqual(
        new Map([[keys[0], 'known'], ...keys.slice(2).map((key) => [key, `loaded ${key}`] as [string, string])]),
      );
      expect(await one.cache.mget(keys, () => options(), load)).toEqual(values);
      expect(load.mock.calls.flat(2)).toHaveLength(40);
    });

    it('values expire at a lifetime that varies by a tenth', async () => {
      const keys = Array.from({ length: 50 }, () => fresh());
      for (const key of keys) await one.cache.wrap(key, { ttl: 100_000, tags: [] }, async () => 'old');
      const expired = async (ms: number) => {
        one.clock.time += ms;
        const values = await Promise.all(keys.map((key) => one.cache.get(key)));
        one.clock.time -= ms;
        return values.filter((value) => value === undefined).length;
      };
      if (shares) return; // Redis has its own clock
      expect(await expired(89_000)).toBe(0);
      const some = await expired(100_000);
      expect(some).toBeGreaterThan(0);
      expect(some).toBeLessThan(50);
      expect(await expired(111_000)).toBe(50);
    });

    it('one reader refreshes a value before it expires, while the old value is still served', async () => {
      const key = fresh();
      const slow = (value: string) => new Promise<string>((resolve) => setTimeout(resolve, 200, value));
      await one.cache.wrap(key, { ttl: 60_000, tags: [] }, () => slow('old'));
      one.clock.time += 52_000; // the value expires after 54 to 66 s
      const load = jest.fn(() => slow('new'));
      const seen = new Set<string | null>();
      await until(async () => {
        one.clock.time += 30;
        const value = await one.cache.wrap(key, { ttl: 60_000, tags: [] }, load);
        seen.add(value);
        return value === 'new';
      }, 'the new value');
      expect(seen).toEqual(new Set(['old', 'new']));
      expect(load).toHaveBeenCalledTimes(1);
      one.clock.time = Date.now();
    });

    it('the statistics cover the whole deployment', async () => {
      const total = async () => (await one.cache.status()).counts.requests;
      const before = await until(async () => {
        const first = await total();
        return (await total()) === first && first;
      }, 'quiet');
      const key = fresh();
      for (let at = 0; at < 10; at++)
        for (const { cache } of [one, two]) await cache.wrap(key, options(), async () => 1);
      await until(async () => (await total()) >= before + 20, 'the other process to report');
      const { processes, redisSize } = await one.cache.status();
      expect(processes).toBe(2);
      if (shares) expect(redisSize).toBeGreaterThan(0);
      else expect(redisSize).toBeNull();
    });
  });
}
