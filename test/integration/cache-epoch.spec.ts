// Which values in Redis a process uses after it joined: none that may have missed a change, and all others.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import type { RelayState } from '../../src/shared/cache/relay-state.js';
import { allReady, type CacheInstance, openCache } from '../support/stores/caches.js';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { OwnRedis } from '../support/engines/own-redis.js';
import { REDIS_SERVER } from '../support/engines/services.js';
import { TcpProxy } from '../support/engines/tcp-proxy.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const suite = REDIS_SERVER === undefined ? describe.skip : describe;
suite('a process that joins', () => {
  let database: ClonedDatabase;
  let redis: OwnRedis;
  let proxy: TcpProxy;
  let prefix: string;
  let row: string;
  const opened: CacheInstance[] = [];
  const [changed, other] = ['changed', 'other'];

  beforeAll(async () => {
    database = await cloneDatabase();
    redis = await OwnRedis.start();
  });
  afterAll(async () => {
    await redis.stop();
    await database.drop();
  });
  beforeEach(async () => {
    proxy = await TcpProxy.to(redis.url);
    prefix = randomUUID();
    row = 'old';
  });
  afterEach(async () => {
    for (const process of opened.splice(0)) await process.close();
    await proxy.cut();
  });

  async function start(url = redis.url, own = prefix): Promise<CacheInstance> {
    const process = await openCache(database.url, { REDIS_URL: url, REDIS_PREFIX: own });
    opened.push(process);
    await process.ready();
    return process;
  }

  const load = jest.fn(async () => row);
  const read = async ({ cache }: CacheInstance, key: string): Promise<string | null> =>
    cache.wrap(key, { ttl: 60_000, tags: [`tag:${key}`] }, load);

  /** Starts a process that reaches Redis through the proxy, and has put both values there. */
  async function startWriter(): Promise<CacheInstance> {
    const writer = await start(proxy.url);
    await until(async () => {
      for (const key of [changed, other]) expect(await read(writer, key)).toBe('old');
      const keys = await redis.ask((client) => client.keys(`${prefix}:v:*`));
      return [changed, other].every((key) => keys.some((name) => name.endsWith(`{${key}}`)));
    }, 'Redis to hold the values');
    return writer;
  }

  /** Cuts the writer off from Redis, so that it announces its change over PostgreSQL alone. */
  async function changeWithoutRedis(writer: CacheInstance): Promise<void> {
    proxy.silence();
    await until(() => !writer.redis?.isUp, 'Redis to be away for the writer');
    await writer.cache.changing([`tag:${changed}`], async () => void (row = 'new'));
  }

  const epoch = (): Promise<string | null> => redis.ask((client) => client.get(`${prefix}:epoch`));

  it('alone uses no value in Redis that missed the change of a process that died', async () => {
    const writer = await startWriter();
    await changeWithoutRedis(writer);
    opened.pop();
    await writer.close(); // it reaches Redis no more
    expect(await read(await start(), changed)).toBe('new');
  });

  it('beside a process that is cut off from Redis uses no value that missed its change', async () => {
    await changeWithoutRedis(await startWriter());
    expect(await read(await start(), changed)).toBe('new');
  });

  it('beside a process that uses another Redis uses no value that missed a change', async () => {
    await start(redis.url, randomUUID());
    await changeWithoutRedis(await startWriter());
    expect(await read(await start(), changed)).toBe('new');
  });

  it('beside a process that missed no change uses the values in Redis', async () => {
    const writer = await startWriter();
    const witness = await start();
    expect(await read(witness, other)).toBe('old');
    const before = await epoch();
    await changeWithoutRedis(writer); // the witness writes it to Redis
    const fresh = await start();
    load.mockClear();
    expect([await read(fresh, other), await read(witness, other)]).toEqual(['old', 'old']);
    expect(load).not.toHaveBeenCalled();
    expect(await read(fresh, changed)).toBe('new');
    expect(await epoch()).toBe(before);
  });

  it('again, after its connection to PostgreSQL was lost, uses them if another process missed no change', async () => {
    const [one, two] = [await startWriter(), await start()];
    const before = await epoch();
    const { coherence } = one.cache as unknown as { coherence: { isListening: boolean; relayStates: RelayState[] } };
    coherence.relayStates.at(-1)?.relay.reconnect();
    await until(() => !coherence.isListening, 'the connection to be lost');
    await one.ready();
    expect(await epoch()).toBe(before);
    await cutPostgres(); // now nobody has received all announcements
    await until(() => !coherence.isListening, 'the connection to be lost');
    await allReady(one, two);
    expect(await epoch()).not.toBe(before);
  });

  async function cutPostgres(): Promise<void> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    const relays = `datname = current_database() AND application_name = 'holdfast relay'`;
    await client.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${relays}`);
    await client.end();
  }
});
