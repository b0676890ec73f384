// Cache coherence under failures: lost connections, races between reads and changes, and a Redis with missing or stale data.
import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import type { Redis as Plain } from 'ioredis';
import pg from 'pg';
import { pino } from 'pino';
import { Sealer } from '../../src/shared/libs/sealer.js';
import { Coherence } from '../../src/shared/cache/coherence.js';
import { ChangeTooLateError } from '../../src/shared/cache/change-deadline.js';
import { MAX_CHANGE_MS, MemoryStore } from '../../src/shared/cache/memory.store.js';
import type { Redis } from '../../src/shared/redis/redis.js';
import { RedisStore } from '../../src/shared/cache/redis.store.js';
import { PostgresRelay } from '../../src/shared/pubsub/postgres.relay.js';
import { allReady, type CacheInstance, openCache } from '../support/stores/caches.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { OwnRedis } from '../support/engines/own-redis.js';
import { seeded } from '../support/fuzz/random.js';
import { REDIS_SERVER, REDIS_URL, redisAnswers } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(120_000);

let database: ClonedDatabase;
beforeAll(async () => {
  database = await cloneDatabase();
});
afterAll(() => database.drop());
const opened: Pair[] = [];
afterEach(async () => {
  jest.restoreAllMocks();
  for (const pair of opened.splice(0)) await pair.close();
});

async function sql<R extends pg.QueryResultRow>(text: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: database.url });
  await client.connect();
  return (await client.query<R>(text).finally(() => client.end())).rows;
}

const count = async (from: string): Promise<number | undefined> =>
  (await sql<{ rows: number }>(`SELECT count(*)::integer AS rows FROM ${from}`))[0]?.rows;

const FROM_RELAYS = `FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast relay'`;

const cutPostgres = (): Promise<unknown> => sql(`SELECT pg_terminate_backend(pid) ${FROM_RELAYS}`);

interface Pair {
  one: CacheInstance;
  two: CacheInstance;
  env: Record<string, string>;
  close(): Promise<void>;
}

async function openPair(env: Record<string, string>): Promise<Pair> {
  const own = { ...env, REDIS_PREFIX: `test-${randomUUID()}` };
  const [one, two] = await Promise.all([openCache(database.url, own), openCache(database.url, own)]);
  await allReady(one, two);
  const close = async (): Promise<void> => {
    await one.cache.deletePattern('*');
    await Promise.all([one.close(), two.close()]);
  };
  return { one, two, env: own, close };
}

/** Opens a pair that is closed after the test. */
async function openForTest(env: Record<string, string>): Promise<Pair> {
  const pair = await openPair(env);
  opened.push(pair);
  return pair;
}

const nothing = async (): Promise<void> => undefined;

/** Races two readers and a writer on one row with seeded delays; returns true when a reader keeps the old value. */
async function race({ one, two }: Pair, random: () => number): Promise<boolean> {
  const key = randomUUID();
  const options = { ttl: 60_000, tags: [`tag:${key}`] };
  let row = 1;
  const pause = (): Promise<void> => delay(random() * 3);
  const read = async ({ cache }: CacheInstance): Promise<unknown> => {
    await pause();
    return cache.wrap(key, options, async () => {
      const seen = row;
      await pause();
      return seen;
    });
  };
  const write = async (): Promise<void> => {
    await pause();
    await one.cache.changing(options.tags, async () => {
      await pause();
      row = 2;
    });
  };
  await Promise.all([read(one), read(two), write()]);
  const after = await Promise.all([one, two].map(async ({ cache }) => cache.wrap(key, options, async () => row)));
  return after.some((value) => value !== 2);
}

/** The race that keeps an old value without the protocol: another process loads the row before a change and stores it after that. */
async function lateReader({ one, two }: Pair): Promise<boolean> {
  const key = randomUUID();
  const options = { ttl: 60_000, tags: [`tag:${key}`] };
  let row = 1;
  const steps = new EventEmitter();
  const changed = once(steps, 'changed');
  const loading = once(steps, 'loading');
  const late = two.cache.wrap(key, options, async () => {
    const seen = row;
    steps.emit('loading');
    await changed;
    return seen;
  });
  await loading;
  await one.cache.changing(options.tags, async () => {
    row = 2;
  });
  steps.emit('changed');
  await late;
  return (await two.cache.wrap(key, options, async () => row)) !== row;
}

/** Common cache-aside: deletes the value after the commit, without an announcement before it. */
function withoutAnnouncements(): void {
  jest.spyOn(Coherence.prototype, 'announce').mockResolvedValue(0);
  jest.spyOn(MemoryStore.prototype, 'beginChange').mockReturnValue();
  jest.spyOn(RedisStore.prototype, 'beginChange').mockResolvedValue(true);
  jest.spyOn(RedisStore.prototype, 'stampsOf').mockImplementation(async (tags) => tags.map(() => 'any'));
  jest.spyOn(RedisStore.prototype, 'fill').mockImplementation(function (this: RedisStore, key, _token, entry, ttl) {
    return this.set(key, entry, ttl);
  });
  jest.spyOn(RedisStore.prototype, 'endChange').mockImplementation(async function (this: RedisStore, tags) {
    for (const tag of tags) await this.delete(tag.slice('tag:'.length));
  });
  jest.spyOn(MemoryStore.prototype, 'endChange').mockImplementation(function (this: MemoryStore, tags) {
    this.deleteWhere((key) => tags.includes(`tag:${key}`));
  });
}

const layers: Array<[string, boolean, Record<string, string>]> = [
  ['memory', true, {}],
  ['redis', redisAnswers, { REDIS_URL }],
];
for (const [name, available, env] of layers) {
  const suite = available ? describe : describe.skip;
  suite(`the cache on ${name}`, () => {
    it('1,000 races between reads and a change leave no stale value; without announcements one does', async () => {
      const pair = await openForTest(env);
      const random = seeded(1);
      let stale = 0;
      for (let at = 0; at < 1_000; at += 20) {
        const races = await Promise.all(Array.from({ length: 20 }, () => race(pair, random)));
        stale += races.filter(Boolean).length;
      }
      expect(stale).toBe(0);
      expect(await lateReader(pair)).toBe(false);
      withoutAnnouncements();
      expect(await lateReader(pair)).toBe(true);
    });

    it('the first reader finds a created row, unless its transaction was rolled back', async () => {
      const { one } = await openForTest(env);
      const options = { ttl: 60_000, tags: [`tag:${randomUUID()}`] };
      const load = jest.fn(async () => 'loaded');
      const read = (key: string) => one.cache.wrap(key, options, load);
      const create = (key: string) =>
        one.cache.creating(
          key,
          options,
          async () => key,
          () => 'created',
        );
      const keys = Array.from({ length: 4 }, () => randomUUID()) as [string, string, string, string];
      await create(keys[0]);
      await one.transaction.run(() => create(keys[1]));
      expect([await read(keys[0]), await read(keys[1]), load.mock.calls.length]).toEqual(['created', 'created', 0]);
      const failing = one.transaction.run(async () => {
        await create(keys[2]);
        throw new Error('rolled back');
      });
      await expect(failing).rejects.toThrow('rolled back');
      const failed = one.cache.creating(keys[3], options, () => Promise.reject(new Error('refused')), String);
      await expect(failed).rejects.toThrow('refused');
      expect([await read(keys[2]), await read(keys[3])]).toEqual(['loaded', 'loaded']);
    });

    it('a row that two processes create and change at once is not cached in its old state; without announcements it is', async () => {
      const { one, two } = await openForTest(env);
      const createAndChange = async (): Promise<unknown[]> => {
        const key = randomUUID();
        const options = { ttl: 60_000, tags: [`tag:${key}`] };
        let row = 0;
        const insert = async (): Promise<number> => {
          row = 1; // committed: others see the row before this process reaches the cache
          await two.cache.changing(options.tags, async () => void (row = 2));
          return 1;
        };
        await one.cache.creating(key, options, insert, (created) => created);
        return Promise.all([one, two].map(async ({ cache }) => cache.wrap(key, options, async () => row)));
      };
      expect(await createAndChange()).toEqual([2, 2]);
      withoutAnnouncements();
      expect((await createAndChange())[0]).toBe(1);
    });

    it('a new process waits for processes that it does not know yet', async () => {
      const { one, two, env: same } = await openForTest(env);
      const key = randomUUID();
      const options = { ttl: 60_000, tags: [`tag:${key}`] };
      let row = 0;
      const read = async ({ cache }: CacheInstance) => cache.wrap(key, options, async () => row);
      await read(two);
      await one.cache.beforeApplicationShutdown(); // announces its end, so that no process waits for it
      // Simulates a frozen process: it holds a lease, receives nothing, and would serve its memory.
      const { coherence } = two.cache as unknown as { coherence: { receive(): void } };
      const frozen = jest.spyOn(coherence, 'receive').mockReturnValue();
      const fresh = await openCache(database.url, same);
      await fresh.cache.changing(options.tags, async () => void row++);
      expect(await read(two)).toBe(1);
      frozen.mockRestore();
      await fresh.close();
    });

    it('a process that joins caches nothing of the change of a process that is frozen', async () => {
      const { one, two, env: same } = await openForTest(env);
      const key = randomUUID();
      const options = { ttl: 60_000, tags: [`tag:${key}`] };
      const steps = new EventEmitter();
      const begun = once(steps, 'begun');
      const resumed = once(steps, 'resumed');
      const change = two.cache.changing(options.tags, async () => {
        steps.emit('begun');
        await resumed;
      });
      await begun;
      // Simulates a frozen process: it sends and receives nothing.
      const { coherence } = two.cache as unknown as { coherence: { receive(): void; beat(): void } };
      const silent = [jest.spyOn(coherence, 'receive'), jest.spyOn(coherence, 'beat')];
      for (const method of silent) method.mockReturnValue();
      const fresh = await openCache(database.url, same);
      await fresh.ready();
      const load = jest.fn(async () => 'old');
      for (const reads of [1, 2]) {
        for (const { cache } of [one, fresh]) await cache.wrap(key, options, load);
        expect(load).toHaveBeenCalledTimes(2 * reads);
      }
      for (const method of silent) method.mockRestore();
      steps.emit('resumed');
      await change;
      await until(async () => {
        const loads = load.mock.calls.length;
        await fresh.cache.wrap(key, options, load);
        return load.mock.calls.length === loads;
      }, 'the value to be cached');
      await fresh.close();
    });

    it('a change that ends while another process repeats its announcement does not leave its tags blocked', async () => {
      const { one, two, env: same } = await openForTest(env);
      const key = randomUUID();
      const options = { ttl: 60_000, tags: [`tag:${key}`] };
      type Receive = (state: unknown, text: string) => void;
      const { coherence } = one.cache as unknown as { coherence: { receive: Receive } };
      const receive = coherence.receive.bind(coherence);
      const late: Array<Parameters<Receive>> = [];
      // The end of the change arrives after the process that joins has asked for all running changes.
      jest.spyOn(coherence, 'receive').mockImplementation((state, text) => {
        if (text.includes('"changed"')) late.push([state, text]);
        else receive(state, text);
      });
      await two.cache.changing(options.tags, nothing);
      await until(() => late.length > 0, 'the end of the change');
      const fresh = await openCache(database.url, same);
      await fresh.ready();
      for (const message of late) receive(...message);
      let loads = 0;
      await until(
        async () => {
          const before = loads;
          await fresh.cache.wrap(key, options, async () => ++loads);
          return loads === before;
        },
        'the value to be cached',
        MAX_CHANGE_MS / 2,
      );
      await fresh.close();
    });

    it('a change whose announcement fails does not leave its tags blocked', async () => {
      const { one, two } = await openForTest(env);
      const options = { ttl: 60_000, tags: [`tag:${randomUUID()}`] };
      const announce = Object.getOwnPropertyDescriptor(Coherence.prototype, 'announce')?.value as Coherence['announce'];
      jest.spyOn(Coherence.prototype, 'announce').mockImplementation(async function (this: Coherence, ...args) {
        await announce.apply(this, args);
        throw new Error('lost');
      });
      await expect(one.cache.changing(options.tags, nothing)).rejects.toThrow('lost');
      for (const { cache } of [one, two]) {
        const key = randomUUID();
        let loads = 0;
        await until(
          async () => {
            const before = loads;
            await cache.wrap(key, options, async () => ++loads);
            return loads === before;
          },
          'the value to be cached',
          MAX_CHANGE_MS / 2,
        );
      }
    });

    it('a change with an unknown outcome is announced again, since its commit may come late', async () => {
      const { one } = await openForTest(env);
      const announce = jest.spyOn(Coherence.prototype, 'announce');
      const cut = async (): Promise<void> => Promise.reject(Object.assign(new Error('cut'), { code: 'ECONNRESET' }));
      await expect(one.cache.changing(['tag'], cut)).rejects.toThrow('cut');
      expect(announce).toHaveBeenCalledTimes(2);
      await expect(one.cache.changing(['tag'], async () => Promise.reject(new Error('refused')))).rejects.toThrow();
      expect(announce).toHaveBeenCalledTimes(3);
    });

    it('40 simultaneous changes succeed although their relay connections are cut', async () => {
      const { one, two } = await openForTest(env);
      const change = (at: number) =>
        (at % 2 ? one : two).transaction.run(() => (at % 2 ? one : two).cache.invalidate([`tag:${at}`]));
      const changes = Array.from({ length: 40 }, (_, at) => change(at));
      await cutPostgres();
      const later = Array.from({ length: 40 }, (_, at) => change(at));
      const ended = await Promise.allSettled([...changes, ...later]);
      expect(ended.filter(({ status }) => status === 'rejected')).toEqual([]);
    });

    it('a change that freezes after its announcement is refused', async () => {
      const { one } = await openForTest(env);
      const now = performance.now.bind(performance);
      const announce = Object.getOwnPropertyDescriptor(Coherence.prototype, 'announce')?.value as Coherence['announce'];
      jest.spyOn(Coherence.prototype, 'announce').mockImplementation(async function (this: Coherence, ...args) {
        const relay = await announce.apply(this, args);
        jest.spyOn(performance, 'now').mockImplementation(() => now() + 6_000);
        return relay;
      });
      const work = jest.fn(nothing);
      await expect(one.cache.changing(['tag'], work)).rejects.toThrow(ChangeTooLateError);
      expect(work).not.toHaveBeenCalled();
    });

    it('the transaction of a writer that freezes before its commit ends before others count its change as dead', async () => {
      const { one } = await openForTest(env);
      const limits = `SELECT setting::integer AS ms FROM pg_settings WHERE name = 'idle_in_transaction_session_timeout'`;
      const [limit] = await one.transaction.query<{ ms: number }>({ text: limits });
      expect(limit?.ms).toBeGreaterThan(0);
      expect(limit?.ms).toBeLessThan(MAX_CHANGE_MS);
      await sql('CREATE TABLE IF NOT EXISTS changed (id integer)');
      const idle = `pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`;
      const frozen = one.transaction.run(async () => {
        await one.cache.invalidate(['tag']);
        await one.transaction.query({ text: 'INSERT INTO changed VALUES (1)' });
        await one.transaction.query({ text: 'SET LOCAL idle_in_transaction_session_timeout = 100' });
        await until(async () => (await count(idle)) === 0, 'its end');
      });
      await expect(frozen).rejects.toThrow();
      expect(await count('changed')).toBe(0);
    });

    it('a process that receives no messages still publishes its changes, and serves nothing from memory', async () => {
      const { one, two } = await openForTest(env);
      const key = randomUUID();
      const options = { ttl: 60_000, tags: [`tag:${key}`] };
      let row = 0;
      const read = ({ cache }: CacheInstance) => cache.wrap(key, options, async () => row);
      const change = ({ cache }: CacheInstance) => cache.changing(options.tags, async () => void row++);
      const relay = PostgresRelay.prototype as unknown as { subscribe(): Promise<never> };
      const deaf = jest.spyOn(relay, 'subscribe').mockRejectedValue(new Error('deaf'));
      await sql(`SELECT pg_terminate_backend(min(pid)) ${FROM_RELAYS}`); // one of the two relays
      for (const changer of [one, two, one, two]) {
        expect([await read(one), await read(two)]).toEqual([row, row]);
        await change(changer);
        expect([await read(one), await read(two)]).toEqual([row, row]);
      }
      deaf.mockRestore();
      await allReady(one, two);
    });

    it('a process without its relay connection serves nothing from memory until it reconnects', async () => {
      const { one, two } = await openForTest(env);
      const key = randomUUID();
      const options = { ttl: 60_000, tags: [`tag:${key}`] };
      let row = 0;
      const read = ({ cache }: CacheInstance) => cache.wrap(key, options, async () => row);
      for (let cut = 0; cut < 6; cut++) {
        await until(async () => {
          await read(two);
          return (await two.cache.status()).counts.memory.size > 0;
        }, 'the reader to hold the value');
        await cutPostgres();
        if (one.redis) await one.redis.run((client) => (client as Plain).client('KILL', 'TYPE', 'pubsub'));
        await one.cache.changing(options.tags, async () => void row++);
        expect(await read(two)).toBe(row);
        expect(await read(one)).toBe(row);
      }
    });
  });
}

const ownRedis = REDIS_SERVER === undefined ? describe.skip : describe;
ownRedis('a Redis server of the cache', () => {
  let redis: OwnRedis;
  let pair: Pair;
  let row = 0;
  let key = '';
  const read = async ({ cache }: CacheInstance): Promise<unknown> =>
    cache.wrap(key, { ttl: 60_000, tags: [`tag:${key}`] }, async () => row);
  const change = ({ cache }: CacheInstance): Promise<void> => cache.changing([`tag:${key}`], async () => void row++);
  /** Starts with a value that both processes have read and Redis holds once: both know the same epoch. */
  const hold = (): Promise<unknown> =>
    until(async () => {
      key = randomUUID();
      expect([await read(pair.one), await read(pair.two)]).toEqual([row, row]);
      return (await redis.ask((client) => client.keys(`*:v:*${key}*`))).length === 1;
    }, 'Redis to hold the value');
  const isUp = (up: boolean): Promise<unknown> =>
    until(() => [pair.one, pair.two].every((cache) => cache.redis?.isUp === up), `Redis to be ${up ? 'back' : 'away'}`);

  beforeAll(async () => {
    redis = await OwnRedis.start();
    pair = await openPair({ REDIS_URL: redis.url });
  });
  afterAll(async () => {
    await pair.close();
    await redis.stop();
  });

  it('keeps the stamp of a tag for ten minutes, since each object that a client asks for has one', async () => {
    await hold();
    const lifetime = await redis.ask(async (client) => client.pttl((await client.keys(`*:s:*${key}*`))[0] ?? 'none'));
    expect(lifetime).toBeGreaterThan(500_000);
    expect(lifetime).toBeLessThanOrEqual(600_000);
  });

  it('that hangs counts as down, and serves no old value after it resumes', async () => {
    const { one, two } = pair;
    await hold();
    redis.signal('SIGSTOP');
    try {
      await change(one);
      expect([await read(two), await read(one)]).toEqual([row, row]);
      await isUp(false);
      await change(two);
      expect([await read(two), await read(one)]).toEqual([row, row]);
    } finally {
      redis.signal('SIGCONT');
    }
    await isUp(true);
    expect([await read(one), await read(two)]).toEqual([row, row]);
  });

  it('that hangs delays no reader twice', async () => {
    await hold();
    redis.signal('SIGSTOP');
    try {
      await read(pair.one); // detects the failure
      await read(pair.two);
      const began = performance.now();
      for (let at = 0; at < 20; at++) await read(at % 2 ? pair.one : pair.two);
      expect(performance.now() - began).toBeLessThan(1_000); // 20 timeouts of 100 ms would take 2 s
    } finally {
      redis.signal('SIGCONT');
    }
    await isUp(true);
    await allReady(pair.one, pair.two);
  });

  it('is not used by a process that cannot receive changes which bypass Redis', async () => {
    const { one, two } = pair;
    await hold();
    const relay = PostgresRelay.prototype as unknown as { subscribe(): Promise<never> };
    const deaf = jest.spyOn(relay, 'subscribe').mockRejectedValue(new Error('deaf'));
    await cutPostgres();
    await until(
      async () => (await one.cache.wrap(key, { ttl: 60_000, tags: [`tag:${key}`] }, async () => 'loaded')) === 'loaded',
      'a load',
    );
    deaf.mockRestore();
    await allReady(one, two);
  });

  it('that is full or a replica counts as down until this ends', async () => {
    const { redis: client } = pair.one;
    for (const [broken, mended] of [
      [
        ['CONFIG', 'SET', 'maxmemory', '1'],
        ['CONFIG', 'SET', 'maxmemory', '0'],
      ],
      [
        ['REPLICAOF', '127.0.0.1', '1'],
        ['REPLICAOF', 'NO', 'ONE'],
      ],
    ] as const) {
      await isUp(true);
      let changes = 0;
      client?.onChange(() => changes++);
      await redis.ask((one) => one.call(broken[0], ...broken.slice(1)));
      await isUp(false);
      const began = performance.now();
      await until(() => performance.now() - began > 1_500, 'some probes');
      expect([client?.isUp, changes]).toEqual([false, 1]);
      await redis.ask((one) => one.call(mended[0], ...mended.slice(1)));
      await isUp(true);
    }
    await allReady(pair.one, pair.two);
  });

  it('contains a change whose process cannot write it there: another process writes it', async () => {
    const storeOf = ({ cache }: CacheInstance) => (cache as unknown as { shared: RedisStore }).shared;
    await hold();
    jest.spyOn(storeOf(pair.one), 'beginChange').mockResolvedValue(false);
    const stamps = () => storeOf(pair.two).stampsOf([`tag:${key}`]);
    expect(await stamps()).not.toBeNull();
    await pair.one.cache.changing([`tag:${key}`], async () => expect(await stamps()).toBeNull());
    await until(async () => (await stamps()) !== null, 'the end of the change');
  });

  it('that missed a change is not trusted', async () => {
    const { one, two } = pair;
    await hold();
    const store = RedisStore.prototype as unknown as { runForTags(): Promise<boolean> };
    const cut = jest.spyOn(store, 'runForTags').mockImplementation(async () => {
      const cuts = [one, two].map(async (each) => each.redis?.run(() => Promise.reject(new Error('cut'))));
      return (await Promise.allSettled(cuts)).length === 0;
    });
    await change(one);
    cut.mockRestore();
    expect([await read(two), await read(one)]).toEqual([row, row]);
    await isUp(true);
    expect([await read(two), await read(one)]).toEqual([row, row]);
  });

  const openStore = async (maxChangeMs: number): Promise<RedisStore> => {
    const sealer = new Sealer('a secret of more than 32 characters', 'cache-value');
    const store = new RedisStore(pair.one.redis as Redis, maxChangeMs, 60_000, sealer, pino({ enabled: false }));
    await until(() => store.isUp, 'the store to know the epoch');
    return store;
  };

  it.each(['', 'x', 'x'.repeat(100)])('with the damaged value %j lets one process load the value', async (value) => {
    const store = await openStore(15_000);
    await store.set('key', { value: 1, tags: [], stamps: [], expiresAt: 0, cost: 0 }, 60_000);
    await redis.ask(async (client) => {
      const [name] = await client.keys('*:{key}');
      await client.set(name as string, value);
    });
    const { found, head } = await store.read('key', []);
    expect(found).toBeUndefined();
    expect(await store.claim('key', 'token', head)).toBe('mine');
    await store.delete('key');
  });

  it('returns no version for a tag during its changes, and a new version after them', async () => {
    const store = await openStore(15_000);
    const before = await store.stampsOf(['tag']);
    expect(await store.stampsOf(['tag'])).toEqual(before);
    await store.beginChange(['tag'], 'first');
    await store.beginChange(['tag'], 'second');
    expect(await store.stampsOf(['other', 'tag'])).toBeNull();
    await store.endChange(['tag'], 'first');
    expect(await store.stampsOf(['tag'])).toBeNull();
    await store.endChange(['tag'], 'second');
    expect(await store.stampsOf(['tag'])).not.toEqual(before);
    const short = await openStore(2_000);
    await short.beginChange(['tag'], 'its process dies');
    expect(await store.stampsOf(['tag'])).toBeNull();
    await until(async () => (await store.stampsOf(['tag'])) !== null, 'the change to count as dead');
  });

  it('that restarts with old data is not trusted', async () => {
    const { one, two } = pair;
    await hold();
    await redis.ask((client) => client.save());
    await change(one);
    expect(await read(two)).toBe(row);
    await redis.kill();
    await redis.up(); // with the value from before the change
    await isUp(true);
    expect([await read(two), await read(one)]).toEqual([row, row]);
  });

  it('that was emptied only causes new loads', async () => {
    const { one, two } = pair;
    await hold();
    await redis.ask((client) => client.flushall());
    expect([await read(one), await read(two)]).toEqual([row, row]);
    await change(two);
    expect([await read(one), await read(two)]).toEqual([row, row]);
  });
});
