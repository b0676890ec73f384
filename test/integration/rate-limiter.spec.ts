// The contract of the rate limiter in memory, on one Redis and on a Redis Cluster.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { SystemClock } from '../../src/shared/libs/clock.js';
import { MemoryRateLimiter } from '../../src/shared/rate-limits/memory.rate-limiter.js';
import {
  callerAt,
  type NetworkCaller,
  type RateLimiter,
  type TakeResult,
} from '../../src/shared/rate-limits/rate-limiter.js';
import { OwnRedis, OwnRedisCluster } from '../support/engines/own-redis.js';
import { newCaller, type LimiterInstance, openLimiter, ratesOf } from '../support/stores/rate-limiters.js';
import { REDIS_SERVER, REDIS_URL, redisAnswers } from '../support/engines/services.js';
import { until } from '../support/time/until.js';

jest.setTimeout(60_000);

const REDIS_PREFIX = `test-${randomUUID()}`;

interface Store {
  limiter: RateLimiter;
  /** A limiter of another process, where processes share a store. */
  other: RateLimiter;
  close(): Promise<void>;
}

/** Opens two connections, like two processes. */
async function openTwo(env: Record<string, string>): Promise<Store> {
  const [one, two] = await Promise.all([openLimiter(env), openLimiter(env)]);
  return { limiter: one.limiter, other: two.limiter, close: () => one.close().then(() => two.close()) };
}

const stores: Array<[name: string, available: boolean, open: () => Promise<Store>]> = [
  [
    'memory',
    true,
    async () => {
      const limiter = new MemoryRateLimiter(new SystemClock());
      return { limiter, other: limiter, close: async () => undefined };
    },
  ],
  ['redis', redisAnswers, () => openTwo({ REDIS_URL, REDIS_PREFIX })],
  [
    'redis cluster',
    REDIS_SERVER !== undefined,
    async () => {
      const cluster = await OwnRedisCluster.start();
      const two = await openTwo({ REDIS_CLUSTER_NODES: cluster.addresses, REDIS_PREFIX });
      return { ...two, close: () => two.close().then(() => cluster.stop()) };
    },
  ],
];

/** Makes the attempts one after the other. */
async function takeTimes(times: number, take: () => TakeResult | Promise<TakeResult>): Promise<TakeResult[]> {
  const takings: TakeResult[] = [];
  for (let at = 0; at < times; at++) takings.push(await take());
  return takings;
}

const allowedOf = (takings: TakeResult[]): number => takings.filter(({ allowed }) => allowed).length;

for (const [name, available, open] of stores) {
  const suite = available ? describe : describe.skip;
  suite(`the rate limiter on ${name}`, () => {
    let store: Store;
    beforeAll(async () => void (store = await open()));
    afterAll(() => store.close());
    const take = (caller: string, burst: string, sustained: string, cost = 1) =>
      store.limiter.take(caller, ratesOf(burst, sustained), cost);

    it('passes a whole quota at once, counts down, and then reports the time to wait', async () => {
      const caller = newCaller();
      const takings = await takeTimes(6, () => take(caller, '5/60', '8/600'));
      expect(takings.map(({ allowed }) => allowed)).toEqual([true, true, true, true, true, false]);
      expect(takings.map(({ burst }) => burst.remaining)).toEqual([4, 3, 2, 1, 0, 0]);
      expect(takings.map(({ sustained }) => sustained.remaining)).toEqual([7, 6, 5, 4, 3, 3]);
      for (const { burst, sustained } of takings) {
        expect(burst.resetMs).toBeGreaterThan(59_000);
        expect(burst.resetMs).toBeLessThanOrEqual(61_000);
        expect(sustained.resetMs).toBeGreaterThan(599_000);
        expect(sustained.resetMs).toBeLessThanOrEqual(610_000);
      }
      expect(takings[5]).toMatchObject({ burst: { allowed: false }, sustained: { allowed: true } });
    });

    it('takes nothing from either tier when one tier refuses', async () => {
      const caller = newCaller();
      await takeTimes(3, () => take(caller, '3/60', '9/600'));
      expect(allowedOf(await takeTimes(20, () => take(caller, '3/60', '9/600')))).toBe(0);
      expect(await take(caller, '9/60', '9/600')).toMatchObject({
        burst: { remaining: 5 },
        sustained: { remaining: 5 },
      });
      await takeTimes(5, () => take(caller, '99/60', '9/600'));
      const [refused] = await takeTimes(10, () => take(caller, '99/60', '9/600'));
      expect(refused).toMatchObject({ allowed: false, burst: { allowed: true }, sustained: { allowed: false } });
      expect(await take(caller, '99/60', '99/600')).toMatchObject({ burst: { remaining: 89 } });
    });

    it('takes the cost of a request; a refused expensive request leaves quota for a cheap one', async () => {
      const caller = newCaller();
      const tries = [4, 4, 4, 2, 1];
      const allowed: boolean[] = [];
      for (const cost of tries) allowed.push((await take(caller, '10/60', '10/600', cost)).allowed);
      expect(allowed).toEqual([true, true, false, true, false]);
    });

    it('a request that costs more than the quota passes with an unused quota, and uses all of it', async () => {
      const caller = newCaller();
      expect(await take(caller, '5/60', '100/600', 10)).toMatchObject({
        allowed: true,
        burst: { remaining: 0 },
        sustained: { remaining: 90 },
      });
      expect((await take(caller, '5/60', '100/600')).allowed).toBe(false);
    });

    it('at most one quota passes in any second, and nearly one quota in every second', async () => {
      const caller = newCaller();
      const passed: Array<{ sent: number; answered: number }> = [];
      const began = performance.now();
      while (performance.now() - began < 2_300) {
        const sent = performance.now();
        const taking = await take(caller, '20/1', '999/600');
        if (taking.allowed) passed.push({ sent, answered: performance.now() });
        else await new Promise((resolve) => setTimeout(resolve, Math.min(5, taking.burst.resetMs)));
      }
      const early = passed.filter(({ answered }, at) => at >= 20 && answered - (passed[at - 20]?.sent ?? 0) < 1_000);
      expect(early).toEqual([]);
      expect(passed.length).toBeGreaterThanOrEqual(40); // at the start, after one second and after two
    });

    it('a refusal reports the time after which the same attempt passes', async () => {
      const caller = newCaller();
      const began = performance.now();
      await takeTimes(3, () => take(caller, '5/1', '99/600'));
      const refused = await take(caller, '5/1', '99/600', 4);
      expect(refused).toMatchObject({ allowed: false, burst: { remaining: 2 } });
      await until(async () => (await take(caller, '5/1', '99/600', 4)).allowed, 'the quota to come back');
      expect(performance.now() - began).toBeGreaterThanOrEqual(refused.burst.resetMs - 20);
      expect(refused.burst.resetMs).toBeGreaterThan(900);
      expect(refused.burst.resetMs).toBeLessThanOrEqual(1_017);
    });

    it('a refund returns the taken amount once', async () => {
      const caller = newCaller();
      const rates = ratesOf('5/60', '5/600');
      const [first, second] = await takeTimes(2, () => store.limiter.take(caller, rates, 2));
      await store.limiter.refund(caller, rates, 2, first as TakeResult);
      expect((await store.limiter.take(caller, rates, 3)).allowed).toBe(true);
      expect((await store.limiter.take(caller, rates, 1)).allowed).toBe(false);
      await store.limiter.refund(caller, rates, 2, second as TakeResult);
      for (let again = 0; again < 5; again++) await store.limiter.refund(newCaller(), rates, 2, second as TakeResult);
      expect(await store.limiter.take(caller, rates, 1)).toMatchObject({ allowed: true, burst: { remaining: 1 } });
    });

    describe('for the networks of an IPv6 address', () => {
      const limit = newCaller();
      let last = 0;
      /** Returns the address of a client in an unused /48 network, by the number of its /64 network. */
      const newSite = () => {
        const site = (++last).toString(16);
        return (network: number) => callerAt(`2001:db8:${site}:${network.toString(16)}::1`, limit);
      };
      /** Asks the limiters of both processes in turn. */
      const takeFrom = (callers: NetworkCaller[], burst: string, sustained: string, cost = 1): Promise<TakeResult[]> =>
        Promise.all(
          callers.map(async (caller, at) =>
            (at % 2 ? store.limiter : store.other).take(caller, ratesOf(burst, sustained), cost),
          ),
        );
      const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, at) => from + at);

      it('64 networks of one /48 may use a whole quota each; then all of it are refused, and others are not', async () => {
        const at = newSite();
        const crowd = numbers(100).flatMap((network) => [at(network), at(network)]);
        expect(allowedOf(await takeFrom(crowd, '2/60', '9/600'))).toBe(128);
        const [refused] = await takeFrom([at(999)], '2/60', '9/600');
        expect(refused).toMatchObject({
          allowed: false,
          burst: { allowed: false, remaining: 0, ofSite: true },
          sustained: { allowed: true, remaining: 9, ofSite: false },
        });
        expect(refused?.burst.resetMs).toBeGreaterThan(55_000);
        const others = [newSite()(0), callerAt('192.0.2.1', limit)];
        expect(allowedOf(await takeFrom(others, '2/60', '9/600'))).toBe(2);
      });

      it('the sustained limit holds for a /48, too', async () => {
        const at = newSite();
        expect(allowedOf(await takeFrom(numbers(100).map(at), '99/60', '1/600'))).toBe(64);
        const [refused] = await takeFrom([at(999)], '99/60', '1/600');
        expect(refused).toMatchObject({ burst: { allowed: true }, sustained: { allowed: false, ofSite: true } });
      });

      it('what a network or its /48 refuses is taken from neither', async () => {
        const at = newSite();
        await takeFrom(
          numbers(20).map(() => at(0)),
          '1/60',
          '9/600',
        ); // refused by the network
        expect(allowedOf(await takeFrom(numbers(100, 1).map(at), '1/60', '9/600'))).toBe(63);
        await takeFrom(
          numbers(20).map(() => at(500)),
          '1/60',
          '9/600',
        ); // refused by the /48
        const [first] = await takeFrom([at(500)], '3/60', '9/600');
        expect(first).toMatchObject({ allowed: true, burst: { remaining: 2 }, sustained: { remaining: 8 } });
      });

      it('reports of each tier what is tighter: the network, or its /48', async () => {
        const at = newSite();
        const [first] = await takeFrom([at(0)], '3/60', '5/600');
        expect(first).toMatchObject({
          burst: { remaining: 2, ofSite: false },
          sustained: { remaining: 4, ofSite: false },
        });
        await takeFrom(numbers(190, 1).map(at), '3/60', '5/600');
        const [late] = await takeFrom([at(999)], '3/60', '5/600');
        expect(late).toMatchObject({
          burst: { remaining: 0, ofSite: true },
          sustained: { remaining: 4, ofSite: false },
        });
      });

      it('a refund returns the amount to the network and to its /48', async () => {
        const at = newSite();
        const rates = ratesOf('2/60', '2/600');
        const takings = await takeFrom(numbers(64).map(at), '2/60', '2/600', 9); // each takes its whole quota
        expect(allowedOf([...takings, ...(await takeFrom([at(64)], '2/60', '2/600'))])).toBe(64);
        await store.limiter.refund(at(0), rates, 9, takings[0] as TakeResult);
        expect(allowedOf(await takeFrom([at(0), at(64), at(65)], '2/60', '2/600'))).toBe(2);
      });
    });

    it('passes exactly one quota per caller of a crowd', async () => {
      const [one, two] = [newCaller(), newCaller()];
      const rates = ratesOf('30/60', '999/600');
      const crowd = Array.from({ length: 100 }, async (_, at) => {
        const limiter = at % 3 ? store.limiter : store.other;
        return limiter.take(at % 2 ? one : two, rates, 1);
      });
      const takings = await Promise.all(crowd);
      expect(allowedOf(takings.filter((_, at) => at % 2))).toBe(30);
      expect(allowedOf(takings)).toBe(60);
    });
  });
}

const withRedis = redisAnswers ? describe : describe.skip;
withRedis('several rate limiters on one Redis', () => {
  const limiters: LimiterInstance[] = [];
  beforeAll(async () => {
    for (let at = 0; at < 4; at++) limiters.push(await openLimiter({ REDIS_URL, REDIS_PREFIX }));
  });
  afterAll(() => Promise.all(limiters.map((limiter) => limiter.close())));

  /** Repeats the run when Redis was too slow on a busy machine: an instance then rightly counts by itself. */
  async function undisturbed<T extends { wentAway: number }>(hammering: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      await until(() => limiters.every(({ redis }) => redis.isUp), 'Redis to answer all instances');
      const result = await hammering();
      if (result.wentAway === 0 || attempt === 5) return result;
    }
  }

  it('four instances share one quota; four without a shared store pass four quotas', async () => {
    let changes = 0;
    for (const { redis } of limiters) redis.onChange(() => changes++);
    const hammer = async (caller: string, limiter: RateLimiter): Promise<number> => {
      let passed = 0;
      for (let round = 0; round < 50; round++) {
        const tries = Array.from({ length: 10 }, async () => limiter.take(caller, ratesOf('777/600', '999/600'), 1));
        passed += allowedOf(await Promise.all(tries));
      }
      return passed;
    };
    const { wentAway, passed } = await undisturbed(async () => {
      const caller = newCaller();
      const before = changes;
      const passed = await Promise.all(limiters.map(({ limiter }) => hammer(caller, limiter)));
      return { wentAway: changes - before, passed };
    });
    expect(wentAway).toBe(0);
    expect(passed.reduce((sum, count) => sum + count)).toBe(777);
    expect(Math.min(...passed)).toBeGreaterThan(0);
    const alone = await Promise.all(limiters.map(() => hammer('caller', new MemoryRateLimiter(new SystemClock()))));
    expect(alone).toEqual([500, 500, 500, 500]); // each passes all its attempts
  });

  it('four processes share one quota', async () => {
    const { results } = await undisturbed(hammerFromProcesses);
    expect(results.map(({ wentAway }) => wentAway)).toEqual([0, 0, 0, 0]);
    expect(results.reduce((sum, { passed }) => sum + passed, 0)).toBe(777);
  });

  async function hammerFromProcesses() {
    const caller = newCaller();
    const processes = Array.from({ length: 4 }, () => {
      const args = ['test/support/stores/rate-limit-load.mjs', REDIS_URL, REDIS_PREFIX, caller, '777', '500'];
      const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
      return { child, lines: createInterface(child.stdout)[Symbol.asyncIterator]() };
    });
    for (const { lines } of processes) expect((await lines.next()).value).toBe('ready');
    for (const { child } of processes) child.stdin.write('go\n');
    const answers = await Promise.all(processes.map(async ({ lines }) => String((await lines.next()).value)));
    const results = answers.map((answer) => JSON.parse(answer) as { passed: number; wentAway: number });
    return { results, wentAway: results.reduce((sum, { wentAway }) => sum + wentAway, 0) };
  }

  it('the stored state is small and expires: only used slots, for one window', async () => {
    const caller = newCaller();
    const [{ redis, limiter }] = limiters as [LimiterInstance];
    const take = () => limiter.take(caller, ratesOf('500/1', '500/600'), 1);
    const keys = ['burst', 'sustained'].map((tier) => `${REDIS_PREFIX}:limit:{${caller}}:${tier}`);
    await takeTimes(3, take);
    const began = performance.now();
    await until(async () => (await take()).allowed && performance.now() - began > 1_200, 'a window to pass');
    const [burst = {}, sustained = {}] = await Promise.all(keys.map((key) => redis.run((node) => node.hgetall(key))));
    expect(Object.keys(burst).length).toBeGreaterThan(1);
    expect(Object.keys(burst).length).toBeLessThanOrEqual(61); // the first slots are gone
    expect(Object.keys(sustained).length).toBeLessThanOrEqual(2);
    const [first = 0, second = 0] = await Promise.all(keys.map((key) => redis.run((node) => node.pttl(key))));
    expect(first).toBeGreaterThan(900);
    expect(first).toBeLessThanOrEqual(1_017);
    expect(second).toBeGreaterThan(609_000);
    expect(second).toBeLessThanOrEqual(610_000);
  });
});

const withServer = REDIS_SERVER === undefined ? describe.skip : describe;
withServer('a Redis that goes down', () => {
  let server: OwnRedis;
  let open: LimiterInstance;
  beforeAll(async () => {
    server = await OwnRedis.start();
    open = await openLimiter({ REDIS_URL: server.url, REDIS_PREFIX });
  });
  afterAll(async () => {
    await open.close();
    await server.stop();
  });

  it('is replaced by the in-memory limiter: no failures, and a limit at all times', async () => {
    const caller = newCaller();
    const rates = ratesOf('10/600', '10/600');
    const take = () => open.limiter.take(caller, rates, 1);
    expect(allowedOf(await takeTimes(20, take))).toBe(10);
    const inFlight = Array.from({ length: 20 }, async () => take());
    await server.kill();
    const takings = [...(await Promise.all(inFlight)), ...(await takeTimes(200, take))];
    expect(allowedOf(takings)).toBe(10); // one additional quota at most, not one per failure
    expect(open.redis.isUp).toBe(false);
    expect(take()).not.toBeInstanceOf(Promise);
  });

  it('is used again after its return, without refunds for attempts that the process counted itself', async () => {
    const caller = newCaller();
    const rates = ratesOf('10/600', '10/600');
    const local = await open.limiter.take(caller, rates, 5);
    await server.up();
    await until(() => open.redis.isUp, 'Redis to be up');
    expect(allowedOf(await takeTimes(20, () => open.limiter.take(caller, rates, 1)))).toBe(10);
    await open.limiter.refund(caller, rates, 5, local);
    expect((await open.limiter.take(caller, rates, 1)).allowed).toBe(false);
  });
});
