// When the values in Redis may be used, and when a process may vouch for them: changes that Redis misses at a bad moment.
import { beforeEach, expect, it, jest } from '@jest/globals';
import { pino } from 'pino';
import { RedisStore } from '../../src/shared/cache/redis.store.js';
import { Sealer } from '../../src/shared/libs/sealer.js';
import { type Redis, RedisUnavailableError, type RunScript } from '../../src/shared/redis/redis.js';

let store: RedisStore;
/** The answers of Redis to the write of a change and to the question for the epoch. */
const write = jest.fn<() => Promise<unknown>>();
const epoch = jest.fn<(name: string, keys: unknown, args: readonly unknown[]) => Promise<string>>();
/** Runs what a probe of Redis runs. */
let probe: () => Promise<void>;
/** The epochs with which the last probe would have gone on. */
const accepted = (): unknown => epoch.mock.lastCall?.[2].slice(2);
const away = (): Promise<never> => Promise.reject(new RedisUnavailableError());

beforeEach(async () => {
  write.mockResolvedValue(1);
  epoch.mockResolvedValue('first');
  const redis = {
    ...{ isUp: true, prefix: 'test', probeSoon: () => undefined, script: write },
    whenReachable: (run: (identity: string, script: RunScript) => Promise<void>) =>
      (probe = () => run('servers', epoch as unknown as RunScript)),
  };
  const sealer = new Sealer('a secret of more than 32 characters', 'cache-value');
  store = new RedisStore(redis as unknown as Redis, 15_000, 60_000, sealer, pino({ enabled: false }));
  await probe();
  expect([store.isUp, await store.completeEpoch(), accepted()]).toEqual([true, 'first', ['*']]);
});

async function missChange(): Promise<void> {
  write.mockImplementation(away);
  expect(await store.beginChange(['tag'], 'change')).toBe(false);
}

it('a change that Redis misses while a probe reads the epoch makes the next probe begin a new one', async () => {
  let answer!: (epoch: string) => void;
  epoch.mockReturnValueOnce(new Promise((resolve) => (answer = resolve)));
  const probing = probe();
  await missChange();
  answer('first');
  await probing;
  expect([store.isUp, await store.completeEpoch(), accepted()]).toEqual([false, null, ['*']]);
  await expect(store.read('key', [])).rejects.toThrow(RedisUnavailableError);
  await probe();
  expect([store.isUp, await store.completeEpoch(), accepted()]).toEqual([true, 'first', []]);
});

it('a new epoch that could not be begun is begun by the next probe', async () => {
  await missChange();
  epoch.mockImplementationOnce(away);
  await expect(probe()).rejects.toThrow(RedisUnavailableError);
  expect(store.isUp).toBe(false);
  await probe();
  expect([store.isUp, accepted()]).toEqual([true, []]);
});

it('a missed change counts even if another process vouches for the values after it', async () => {
  await missChange();
  store.distrust(['first']);
  await probe();
  expect([store.isUp, accepted()]).toEqual([true, []]);
});

it.each([[[]], [['first', 'second']]])('after a join only the epochs %j go on', async (epochs) => {
  store.distrust(epochs);
  expect(store.isUp).toBe(false);
  await probe();
  expect([store.isUp, accepted()]).toEqual([true, epochs]);
  await probe();
  expect([store.isUp, accepted()]).toEqual([true, ['*']]);
});

it('a process vouches only after Redis has answered its writes of changes', async () => {
  let fail!: (error: Error) => void;
  write.mockReturnValueOnce(new Promise((_, reject) => (fail = reject)));
  const begun = store.beginChange(['tag'], 'change');
  const vouched = store.completeEpoch();
  fail(new RedisUnavailableError());
  expect([await vouched, await begun]).toEqual([null, false]);
});
