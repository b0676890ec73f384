// Loads of a key whose callers cannot know of all changes: no caller gets a value that was read before it asked.
import { EventEmitter, once } from 'node:events';
import { expect, it, jest } from '@jest/globals';
import { CacheLoader } from '../../src/shared/cache/cache-loader.js';
import type { CacheCounts } from '../../src/shared/cache/cache-stats.js';
import type { Coherence } from '../../src/shared/cache/coherence.js';
import { MemoryStore } from '../../src/shared/cache/memory.store.js';
import type { RedisStore } from '../../src/shared/cache/redis.store.js';
import { SystemClock } from '../../src/shared/libs/clock.js';

const OPTIONS = { ttl: 60_000, tags: ['tag'] };

function loaderWith(holdsLease: boolean, shared: RedisStore | null = null): CacheLoader {
  const counts = { requests: 0, loads: 0, ms: 0, memory: { misses: 0 }, redis: null } as unknown as CacheCounts;
  const coherence = { holdsLease, isListening: true, renew: async () => false } as unknown as Coherence;
  return new CacheLoader(new MemoryStore(10, 1_000_000), shared, coherence, counts, new SystemClock());
}

/** Asks once, commits a change while the first load runs, and asks twice more. Returns the answers and the number of loads. */
async function askAroundAChange(holdsLease: boolean): Promise<{ answers: unknown[]; loads: number }> {
  const loader = loaderWith(holdsLease);
  const steps = new EventEmitter();
  const [loading, goOn] = [once(steps, 'loading'), once(steps, 'go on')];
  let row = 'old';
  let loads = 0;
  const load = async (): Promise<string> => {
    const seen = row;
    steps.emit('loading');
    if (++loads === 1) await goOn;
    return seen;
  };
  const first = loader.load('key', OPTIONS, load);
  await loading;
  row = 'new';
  const later = [loader.load('key', OPTIONS, load), loader.load('key', OPTIONS, load)];
  await Promise.resolve(); // they look for a running load
  steps.emit('go on');
  return { answers: await Promise.all([first, ...later]), loads };
}

it('without a lease, callers that find a running load share the next one', async () => {
  expect(await askAroundAChange(false)).toEqual({ answers: ['old', 'new', 'new'], loads: 2 });
});

it('with a lease, they share the running one: a change would have marked it', async () => {
  expect(await askAroundAChange(true)).toEqual({ answers: ['old', 'old', 'old'], loads: 1 });
});

it('a failed load fails its callers, and the next one is loaded all the same', async () => {
  const loader = loaderWith(false);
  let loads = 0;
  const load = async (): Promise<string> => (++loads === 1 ? Promise.reject(new Error('refused')) : 'value');
  const [first, second] = await Promise.allSettled([
    loader.load('key', OPTIONS, load),
    loader.load('key', OPTIONS, load),
  ]);
  expect([first.status, second]).toEqual(['rejected', { status: 'fulfilled', value: 'value' }]);
});

function storeWith(stamps: string[] | null) {
  return {
    isUp: true,
    read: async () => ({ found: undefined, stamps, head: Buffer.alloc(0) }),
    stampsOf: async () => stamps,
    claim: async () => 'mine',
    fill: jest.fn(async () => undefined),
    release: jest.fn(async () => undefined),
  };
}

it.each([
  [8_000, 1, 0],
  [8_200, 0, 1],
])(
  'a value of %i characters is stored in Redis %i times, and its claim released %i times',
  async (length, fills, releases) => {
    const store = storeWith(['stamp']);
    await loaderWith(true, store as unknown as RedisStore).load('key', OPTIONS, async () => 'x'.repeat(length));
    expect([store.fill.mock.calls.length, store.release.mock.calls.length]).toEqual([fills, releases]);
  },
);

it.each([true, false])(
  'while Redis knows a change of its tags, a value is not kept in memory (shared: %s)',
  async (shared) => {
    const memory = new MemoryStore(10, 1_000_000);
    const fill = jest.spyOn(memory, 'fill');
    const counts = { loads: 0, memory: { misses: 0 }, redis: null } as unknown as CacheCounts;
    const coherence = { holdsLease: true, isListening: true } as unknown as Coherence;
    const store = storeWith(null) as unknown as RedisStore;
    const loader = new CacheLoader(memory, store, coherence, counts, new SystemClock());
    expect(await loader.load('key', { ...OPTIONS, shared }, async () => 'value')).toBe('value');
    expect(fill.mock.calls.map(([{ isInvalidated }]) => isInvalidated)).toEqual([true]);
    expect(memory.size).toBe(0);
  },
);
