// The in-memory cache layer: its limits, its tags, and the values that it must not keep.
import { afterEach, expect, it, jest } from '@jest/globals';
import { type CacheEntry, MAX_CHANGE_MS, MemoryStore } from '../../src/shared/cache/memory.store.js';

afterEach(() => void jest.useRealTimers());

const entry = (tags: string[] = [], size = 100): CacheEntry => ({ value: 1, tags, size, cost: 0, expiresAt: 1_000 });

function put(store: MemoryStore, key: string, what: CacheEntry = entry()): void {
  const loading = store.open(key, what.tags);
  store.fill(loading, what);
  store.close(loading);
}

it('keeps the most recently used values within its limits of entries and bytes', () => {
  const store = new MemoryStore(3, 100_000);
  for (const key of ['a', 'b', 'c']) put(store, key);
  store.get('a', 0);
  put(store, 'd');
  expect(['a', 'b', 'c', 'd'].map((key) => store.get(key, 0) !== undefined)).toEqual([true, false, true, true]);
  const small = new MemoryStore(1_000, 10_000);
  for (let at = 0; at < 50; at++) put(small, `key ${at}`, entry([], 900));
  expect([small.size, small.bytes]).toEqual([11, 9_900]);
  put(small, 'giant', entry(['tag'], 1_001));
  expect(small.get('giant', 0)).toBeUndefined();
  expect(small.size).toBe(11);
});

it('deletes by expiry, by tag, by key, and completely', () => {
  const store = new MemoryStore(100, 100_000);
  for (const key of ['a', 'b', 'c', 'd']) put(store, key, entry(key === 'b' ? ['tag', 'other'] : []));
  expect(store.get('a', 999)).toBeDefined();
  expect(store.get('a', 1_000)).toBeUndefined();
  store.beginChange(['tag'], 'change');
  expect(store.get('b', 0)).toBeUndefined();
  expect(store.deleteWhere((key) => key === 'c')).toBe(1);
  store.clear();
  expect(store.size).toBe(0);
});

it('keeps no value that a change, a deletion or a reset overtook', () => {
  const store = new MemoryStore(100, 100_000);
  const overtaking: Array<() => void> = [
    () => store.beginChange(['tag'], 'one'),
    () => store.endChange(['tag'], 'one'),
    () => void store.deleteWhere((key) => key === 'key'),
    () => store.clear(),
  ];
  for (const overtake of overtaking) {
    const loading = store.open('key', ['tag']);
    overtake();
    store.fill(loading, entry(['tag']));
    store.close(loading);
    expect(store.get('key', 0)).toBeUndefined();
  }
  put(store, 'key', entry(['tag']));
  expect(store.get('key', 0)).toBeDefined();
});

it('a change without an end notification ends by itself', () => {
  jest.useFakeTimers();
  const store = new MemoryStore(100, 100_000);
  store.beginChange(['tag'], 'lost');
  store.beginChange(['tag'], 'lost'); // published twice, to a process that joined
  put(store, 'key', entry(['tag']));
  expect(store.get('key', 0)).toBeUndefined();
  jest.advanceTimersByTime(MAX_CHANGE_MS);
  put(store, 'key', entry(['tag']));
  expect(store.get('key', 0)).toBeDefined();
});
