// Questions of one moment become one question.
import { expect, it, jest } from '@jest/globals';
import { createBatch } from '../../src/shared/libs/batch.js';

it('answers each by its own key, in one load for all that ask at once', async () => {
  const load = jest.fn(
    async (keys: number[]) => new Map(keys.filter((key) => key !== 2).map((key) => [key, key * 10])),
  );
  const ask = createBatch(load);
  expect(await Promise.all([1, 2, 3].map(ask))).toEqual([10, undefined, 30]);
  expect(load.mock.calls).toEqual([[[1, 2, 3]]]);
  expect(await ask(4)).toBe(40);
  expect(load).toHaveBeenCalledTimes(2);
});

it('tells a failure to all of the batch, and to nobody after it', async () => {
  const load = jest.fn(async (keys: number[]) => new Map(keys.map((key) => [key, key])));
  load.mockRejectedValueOnce(new Error('no'));
  const ask = createBatch(load);
  const answers = await Promise.allSettled([ask(1), ask(2)]);
  expect(answers.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(await ask(1)).toBe(1);
});
