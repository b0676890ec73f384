// Runs a short version of the lock torture and its red twin: a driver kills and freezes processes that hold the lock.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';
import { REDIS_URL, redisAnswers } from '../support/engines/services.js';

jest.setTimeout(420_000);

interface Verdict {
  counts: Record<string, { writes: number; kills: number; freezes: number; lost: number; silent: number }>;
  violations: string[];
}

/** The verdict is the last line of output; the exit code is 1 when there are violations. */
function torture(...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: process.env['TEST_DATABASE_URL'], REDIS_URL };
  return new Promise((resolve, reject) => {
    const options = { env, timeout: 400_000 }; // then SIGTERM, on which the driver ends its workers
    const child = execFile(
      process.execPath,
      ['test/torture/locks.mjs', ...args],
      options,
      (_error, out, complaints) => {
        if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
        resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
      },
    );
  });
}

const stores = [
  ['redis', redisAnswers ? it : it.skip],
  ['postgres', it],
] as const;
for (const [store, test] of stores)
  test(`${store}: a counter that two processes share is right when lock holders are killed or frozen`, async () => {
    const { code, verdict } = await torture(`--store=${store}`, '--times=300', '--kills=5', '--freezes=2');
    expect(verdict.violations).toEqual([]);
    expect(code).toBe(0);
    const { writes, ...met } = verdict.counts[store] as Verdict['counts'][string];
    expect(writes).toBeGreaterThanOrEqual(300);
    expect(met).toMatchObject({ kills: 5, freezes: 2, lost: expect.any(Number), silent: 0 });
    expect(met.lost).toBeGreaterThanOrEqual(2);
  });

it('the red twin, without lock and fence, has a wrong counter and is detected', async () => {
  const { code, verdict } = await torture(
    '--store=postgres',
    '--times=300',
    '--kills=0',
    '--freezes=0',
    '--unprotected',
  );
  expect(code).toBe(1);
  expect(verdict.violations.join()).toMatch(/the counter is \d+ after \d+ writes/);
});
