// Time limits: the result of work in time, an error when it is late.
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { succeedsWithin, TimeLimitError, within } from '../../src/shared/libs/time-limit.js';

const never = new Promise<never>(() => undefined);
const failed = () => Promise.reject(new Error('broken'));

it('work in time settles as without a limit', async () => {
  await expect(within(60_000, Promise.resolve('done'))).resolves.toBe('done');
  await expect(within(60_000, failed())).rejects.toThrow('broken');
});

it('late work is an error, also when it fails afterwards', async () => {
  await expect(within(1, never)).rejects.toThrow(TimeLimitError);
  let fail: (error: Error) => void = () => undefined;
  const broken = new Promise<never>((_resolve, reject) => (fail = reject));
  await expect(within(1, broken)).rejects.toThrow(TimeLimitError);
  fail(new Error('broken'));
  await expect(broken).rejects.toThrow('broken');
});

it('only work that succeeds in time succeeds', async () => {
  expect(await succeedsWithin(60_000, Promise.resolve())).toBe(true);
  expect(await succeedsWithin(60_000, failed())).toBe(false);
  expect(await succeedsWithin(1, never)).toBe(false);
});

it('a process that was busy itself looks for the answer several times', async () => {
  const answer = async (): Promise<string> => {
    for (let turn = 0; turn < 5; turn++) await nextTurn();
    return 'there';
  };
  const result = within(100, answer());
  for (const began = performance.now(); performance.now() - began < 300;);
  await expect(result).resolves.toBe('there');
});
