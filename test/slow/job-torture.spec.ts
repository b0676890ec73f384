// Runs a short version of the job torture and its red twin: worker processes are killed and frozen.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(420_000);

interface Verdict {
  counts: Record<string, number>;
  violations: string[];
}

/** The verdict is the last line of output; the exit code is 1 when there are violations. */
function torture(...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: process.env['TEST_DATABASE_URL'] };
  return new Promise((resolve, reject) => {
    const options = { env, timeout: 400_000 }; // then SIGTERM, on which it ends its workers and drops its database
    const child = execFile(process.execPath, ['test/torture/jobs.mjs', ...args], options, (_error, out, complaints) => {
      if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
      resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
    });
  });
}

it('no job is lost or has its effect twice when workers are killed or frozen', async () => {
  const { code, verdict } = await torture('--jobs=300', '--kills=2', '--freezes=2', '--processes=3', '--p99=60000');
  expect(verdict.violations).toEqual([]);
  expect(code).toBe(0);
  expect(verdict.counts).toMatchObject({ jobs: 300, kills: 2, lost: 0, doubled: 0, stuck: 0, dead: 0 });
  for (const what of ['freezes', 'fenced']) expect(verdict.counts[what]).toBeGreaterThanOrEqual(1);
});

it('the red twin, without the fence, has duplicate effects and is detected', async () => {
  const { code, verdict } = await torture('--jobs=200', '--kills=0', '--freezes=2', '--processes=2', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join()).toMatch(/doubled: \d+/);
});
