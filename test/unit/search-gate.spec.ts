// After a slow search the same user waits, so that a few users do not keep the connections for searches.
import { afterEach, beforeEach, expect, it, jest } from '@jest/globals';
import type { Actor } from '../../src/common/access/permissions.js';
import { SearchGate } from '../../src/common/search-gate.js';
import type { DatabaseSettings } from '../../src/shared/database/database.settings.js';

const ada = { id: 'ada' } as Actor;
const bob = { id: 'bob' } as Actor;
let gate: SearchGate;
let begun: string[];

beforeEach(() => {
  jest.useFakeTimers();
  gate = new SearchGate({ poolSize: 2 } as DatabaseSettings); // one search at a time
  begun = [];
});
afterEach(() => void jest.useRealTimers());

function search(actor: Actor, name: string, ms: number): Promise<string> {
  return gate.run(actor, { q: name }, ['q'], async () => {
    begun.push(name);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return name;
  });
}

it('the result of a slow search is returned at once, and the next search of its user waits four times as long', async () => {
  const slow = search(ada, 'slow', 1_500);
  await jest.advanceTimersByTimeAsync(1_500);
  await expect(slow).resolves.toBe('slow');
  const next = search(ada, 'next', 10);
  await jest.advanceTimersByTimeAsync(3_900);
  expect(begun).toEqual(['slow']);
  await jest.advanceTimersByTimeAsync(200);
  await expect(next).resolves.toBe('next');
});

it('others search meanwhile, and a quick search has no pause', async () => {
  const slow = search(ada, 'slow', 1_500);
  await jest.advanceTimersByTimeAsync(1_500);
  await slow;
  void search(ada, 'waits', 10);
  const quick = [search(bob, 'one', 400), search(bob, 'two', 400)];
  await jest.advanceTimersByTimeAsync(900);
  await expect(Promise.all(quick)).resolves.toEqual(['one', 'two']);
  expect(begun).toEqual(['slow', 'one', 'two']);
});

it('a search that fails after a long time has a pause, too', async () => {
  const failing = gate.run(ada, { q: 'a' }, ['q'], async () => {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    throw new Error('timeout');
  });
  const failed = expect(failing).rejects.toThrow('timeout');
  await jest.advanceTimersByTimeAsync(1_000);
  await failed;
  const next = search(ada, 'next', 10);
  await jest.advanceTimersByTimeAsync(1_900);
  expect(begun).toEqual([]);
  await jest.advanceTimersByTimeAsync(200);
  await next;
});
