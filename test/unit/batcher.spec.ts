// The batcher combines items that arrive one by one into joint sends.
import { AsyncLocalStorage } from 'node:async_hooks';
import { expect, it } from '@jest/globals';
import { createBatcher, createKeyedBatcher } from '../../src/shared/libs/batcher.js';

/** A `send` function that the test resolves by hand. */
function byHand() {
  const sent: Array<{ items: number[]; answer: () => void; fail: (error: Error) => void }> = [];
  const send = (items: number[]) =>
    new Promise<number[]>((resolve, reject) =>
      sent.push({ items, answer: () => resolve(items.map((item) => item * 10)), fail: reject }),
    );
  return { sent, send };
}
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

it('sends the first item at once, and the items that arrive meanwhile together', async () => {
  const { sent, send } = byHand();
  const batch = createBatcher(send);
  const first = [batch(1), batch(2)];
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([[1, 2]]);
  const second = [batch(3), batch(4), batch(5)];
  await turn();
  expect(sent).toHaveLength(1);
  sent[0]?.answer();
  expect(await Promise.all(first)).toEqual([10, 20]);
  await turn();
  expect(sent[1]?.items).toEqual([3, 4, 5]);
  sent[1]?.answer();
  expect(await Promise.all(second)).toEqual([30, 40, 50]);
});

it('respects the maximum batch size and the maximum number of parallel sends', async () => {
  const { sent, send } = byHand();
  const batch = createBatcher(send, { maxItems: 2, concurrency: 2 });
  const all = [1, 2, 3, 4, 5].map(batch);
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([
    [1, 2],
    [3, 4],
  ]);
  sent[1]?.answer();
  await turn();
  expect(sent[2]?.items).toEqual([5]);
  sent.forEach(({ answer }) => answer());
  expect(await Promise.all(all)).toEqual([10, 20, 30, 40, 50]);
});

it('a failed send rejects the items of that send only', async () => {
  const { sent, send } = byHand();
  const batch = createBatcher(send);
  const lost = batch(1);
  await turn();
  const kept = batch(2);
  sent[0]?.fail(new Error('gone'));
  await expect(lost).rejects.toThrow('gone');
  await turn();
  sent[1]?.answer();
  expect(await kept).toBe(20);
});

it('sends in the async context of its creation, not in that of the first caller', async () => {
  const context = new AsyncLocalStorage<string>();
  const seen: Array<string | undefined> = [];
  const batch = context.run('maker', () =>
    createBatcher<number, number>(async (items) => {
      seen.push(context.getStore());
      return items;
    }),
  );
  await Promise.all([context.run('one', () => batch(1)), context.run('other', () => batch(2))]);
  expect(seen).toEqual(['maker']);
});

it('with keys, sends the items of each key apart and does not wait for another key', async () => {
  const { sent, send } = byHand();
  const batch = createKeyedBatcher(send);
  const first = [batch('a', 1), batch('b', 2)];
  await turn();
  const second = [batch('a', 3), batch('a', 4)];
  await turn();
  expect(sent.map(({ items }) => items)).toEqual([[1], [2]]);
  sent[0]?.answer();
  await turn();
  expect(sent[2]?.items).toEqual([3, 4]);
  for (const one of sent) one.answer();
  expect(await Promise.all([...first, ...second])).toEqual([10, 20, 30, 40]);
});
