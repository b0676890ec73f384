// Locks whose store dies, freezes, answers late or is cut off: callers fail at once, and lost locks end in time.
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { type ClonedDatabase, cloneDatabase } from '../support/engines/database.js';
import { TcpProxy } from '../support/engines/tcp-proxy.js';
import {
  hold,
  newPrefix,
  type LockInstance,
  openLock,
  postgresLockAdmin,
  redisKeyOf,
} from '../support/stores/lock-stores.js';
import { OwnRedis } from '../support/engines/own-redis.js';
import { REDIS_SERVER } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

const TTL = 600;
const MINUTE = 60_000;
const KEY = 'report';

let database: ClonedDatabase;
let client: pg.Client;
const opened: LockInstance[] = [];

beforeAll(async () => {
  database = await cloneDatabase();
  client = new pg.Client({ connectionString: database.url });
  await client.connect();
});
afterAll(async () => {
  for (const one of opened) await one.close();
  await client.end();
  await database.drop();
});

/** Opens a lock service like that of another process; the suite closes it at the end. */
async function open(env: Record<string, string> = {}, url = database.url): Promise<LockInstance> {
  const one = await openLock(url, env);
  opened.push(one);
  return one;
}

/** Expects a refusal within `ms`, without a call of the work. */
async function expectUnavailable({ locks }: LockInstance, ms: number): Promise<void> {
  const work = jest.fn(async () => undefined);
  const began = performance.now();
  const refused = locks.withLock(KEY, { ttl: TTL }, work);
  await expect(refused).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE', headers: { 'Retry-After': '1' } });
  expect(performance.now() - began).toBeLessThan(ms);
  expect(work).not.toHaveBeenCalled();
}

/** Silences the connection of a holder while another process waits, and expects the holder's abort before the next entry. */
async function expectCalledOffFirst(cutOff: LockInstance, proxy: TcpProxy, other: LockInstance): Promise<void> {
  const first = await hold(cutOff, KEY, TTL);
  const aborted = once(first.signal, 'abort').then(() => performance.now());
  const second = hold(other, KEY, TTL);
  proxy.silence();
  const entered = await second.then(() => performance.now());
  expect(await aborted).toBeLessThan(entered);
  await proxy.cut();
  await expect(first.release()).rejects.toMatchObject({ code: 'LOCK_LOST' });
  await (await second).release();
}

describe('locks in PostgreSQL', () => {
  const sessions = async (condition: string): Promise<number> => {
    const { rows } = await client.query<{ count: string }>(
      `SELECT count(*) FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'holdfast lock' AND ${condition}`,
    );
    return Number(rows[0]?.count);
  };
  const waiting = `wait_event = 'advisory'`;

  it('are refused at once when it cannot be reached', async () => {
    const proxy = await TcpProxy.to(database.url);
    const one = await open({}, proxy.url);
    await proxy.cut();
    await expectUnavailable(one, 1_000);
  });

  it('are refused after the connection timeout of two seconds when it does not answer', async () => {
    const proxy = await TcpProxy.to(database.url);
    const one = await open({}, proxy.url);
    proxy.silence();
    await expectUnavailable(one, 3_500);
    await proxy.cut();
  });

  it('end for an unresponsive holder by the end of its session, after the holder has aborted', async () => {
    const proxy = await TcpProxy.to(database.url);
    await expectCalledOffFirst(await open({}, proxy.url), proxy, await open());
  });

  it('are granted to processes in order of arrival, with one waiting connection each', async () => {
    const [a, b, c] = [await open(), await open(), await open()];
    const first = await hold(a, KEY, TTL);
    const order: string[] = [];
    const ask = ({ locks }: LockInstance, name: string) =>
      Array.from({ length: 3 }, () => locks.withLock(KEY, { ttl: TTL }, async () => void order.push(name)));
    const asks = ask(b, 'b');
    await until(async () => (await sessions(waiting)) === 1, 'b to wait');
    asks.push(...ask(c, 'c'));
    await until(async () => (await sessions(waiting)) === 2, 'c to wait');
    expect(await sessions('true')).toBe(3);
    await first.release();
    await Promise.all(asks);
    expect(order.slice(0, 2)).toEqual(['b', 'c']);
    expect(order).toHaveLength(6);
    await until(async () => (await sessions('true')) === 0, 'the connections to be closed', TTL / 2); // earlier than their ttl
  });

  it('abort at once when the session ends, with any ttl', async () => {
    const admin = await postgresLockAdmin(database.url);
    const first = await hold(await open(), KEY, MINUTE);
    const aborted = once(first.signal, 'abort', { signal: AbortSignal.timeout(2_000) });
    await admin.steal(KEY);
    await aborted;
    await expect(first.release()).rejects.toMatchObject({ code: 'LOCK_LOST' });
    await admin.close();
  });
});

const suite = REDIS_SERVER === undefined ? describe.skip : describe;
suite('locks in Redis', () => {
  let server: OwnRedis;
  let env: Record<string, string>;
  let one: LockInstance;
  let other: LockInstance;

  beforeAll(async () => {
    server = await OwnRedis.start();
    env = { REDIS_URL: server.url, REDIS_PREFIX: newPrefix() };
    [one, other] = [await open(env), await open(env)];
  });
  afterAll(() => server.stop());

  const lock = () => redisKeyOf(one.redis as NonNullable<LockInstance['redis']>, KEY);
  const tokenIn = (key: string) => server.ask((redis) => redis.get(key));
  const back = () => until(() => one.redis?.isUp && other.redis?.isUp, 'Redis to be up');

  it('are refused at once when it was killed, and granted after its restart', async () => {
    await server.kill();
    await expectUnavailable(one, 1_000);
    await expectUnavailable(one, 50); // the outage is known by now
    await server.up();
    await back();
    expect(await one.locks.withLock(KEY, { ttl: TTL }, async () => 'done')).toBe('done');
  });

  it('are refused at once when it hangs, and a holder aborts before its lock expires', async () => {
    const first = await hold(one, KEY, TTL);
    server.signal('SIGSTOP');
    const stopped = performance.now();
    await expectUnavailable(other, 1_000);
    if (!first.signal.aborted) await once(first.signal, 'abort');
    expect(performance.now() - stopped).toBeLessThan(TTL);
    server.signal('SIGCONT');
    await expect(first.release()).rejects.toMatchObject({ code: 'LOCK_LOST' });
    await back();
  });

  it('expire for an unresponsive holder, after the holder has aborted', async () => {
    const proxy = await TcpProxy.to(server.url);
    await expectCalledOffFirst(await open({ ...env, REDIS_URL: proxy.url }), proxy, other);
  });

  it('that it grants after the caller gave up are released as soon as it answers', async () => {
    await server.ask((redis) => redis.call('CLIENT', 'PAUSE', '400', 'ALL'));
    const refused = one.locks.withLock(KEY, { ttl: MINUTE }, async () => undefined);
    await expect(refused).rejects.toMatchObject({ code: 'LOCK_UNAVAILABLE' });
    await back();
    expect(await other.locks.withLock(KEY, { ttl: TTL, wait: 5_000 }, async () => 'done')).toBe('done');
  });

  it('are released again when the first release times out', async () => {
    const held = one.locks.withLock(KEY, { ttl: MINUTE }, () =>
      server.ask((redis) => redis.call('CLIENT', 'PAUSE', '400', 'WRITE')),
    );
    expect(await held).toBe('OK'); // the holder kept the lock to the end
    await until(async () => (await tokenIn(lock())) === null, 'the lock to be free');
    await back();
  });

  it('are refused and left free when PostgreSQL cannot issue a fence', async () => {
    const proxy = await TcpProxy.to(database.url);
    const without = await open(env, proxy.url);
    await proxy.cut();
    await expectUnavailable(without, 1_000);
    expect(await tokenIn(lock())).toBeNull();
  });

  it('go to a waiting process before a process that returns; a process that gives up leaves the queue', async () => {
    const next = `${lock()}:next`;
    const first = await hold(one, KEY, TTL);
    const hasty = one.locks.withLock(KEY, { ttl: TTL, wait: 0 }, async () => undefined);
    await expect(other.locks.withLock(KEY, { ttl: TTL, wait: 50 }, async () => undefined)).rejects.toThrow();
    await expect(hasty).rejects.toMatchObject({ code: 'LOCK_BUSY' });
    expect(await tokenIn(next)).toBeNull();
    const order: string[] = [];
    const again = [1, 2].map(() => one.locks.withLock(KEY, { ttl: TTL }, async () => void order.push('one')));
    const waits = other.locks.withLock(KEY, { ttl: TTL }, async () => void order.push('other'));
    await until(() => tokenIn(next), 'the other process to wait');
    await first.release();
    await Promise.all([...again, waits]);
    expect(order[0]).toBe('other');
  });

  it('that expire while their fence is issued are acquired again, so that fences follow the order of holders', async () => {
    await client.query('BEGIN');
    await client.query('ALTER SEQUENCE lock_fences MAXVALUE 1000000'); // blocks nextval until this transaction ends
    const order: bigint[] = [];
    let inside = 0;
    const enter = async ({ locks }: LockInstance) =>
      locks.withLock(KEY, { ttl: TTL }, async ({ fence }) => {
        expect(++inside).toBe(1);
        order.push(fence);
        await until(async () => (await blocked()) === 0, 'all fences to be issued');
        inside--;
      });
    const blocked = async () =>
      (await client.query(`SELECT FROM pg_locks WHERE NOT granted AND relation = 'lock_fences'::regclass`)).rowCount;
    const first = enter(one);
    await until(async () => (await blocked()) === 1, 'the first lock to wait for its fence');
    const second = enter(other);
    await until(async () => (await blocked()) === 2, 'its lock to expire');
    await client.query('ROLLBACK');
    await Promise.all([first, second]);
    expect(order).toHaveLength(2);
    expect(order[1]).toBeGreaterThan(order[0] as bigint);
  });
});
