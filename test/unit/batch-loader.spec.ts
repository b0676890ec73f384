// The batching loader combines simultaneous lookups into one load.
import { expect, it, jest } from '@jest/globals';
import { createBatchLoader } from '../../src/shared/libs/batch-loader.js';

it('simultaneous lookups share one load, and each receives the value of its own key', async () => {
  const load = jest.fn(
    async (keys: number[]) => new Map(keys.filter((key) => key !== 2).map((key) => [key, key * 10])),
  );
  const ask = createBatchLoader(load);
  expect(await Promise.all([1, 2, 3].map(ask))).toEqual([10, undefined, 30]);
  expect(load.mock.calls).toEqual([[[1, 2, 3]]]);
  expect(await ask(4)).toBe(40);
  expect(load).toHaveBeenCalledTimes(2);
});

it('a failed load rejects every lookup of its batch and no later one', async () => {
  const load = jest.fn(async (keys: number[]) => new Map(keys.map((key) => [key, key])));
  load.mockRejectedValueOnce(new Error('no'));
  const ask = createBatchLoader(load);
  const answers = await Promise.allSettled([ask(1), ask(2)]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await ask(1)).toBe(1);
});
