// The torture of the files in short, with its red twin: servers that are really killed while files go up and are deleted.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(180_000);

interface Verdict {
  counts: { kills: number; acknowledged: number; deleted: number; read: number };
  violations: string[];
}

/** The verdict is the last line; the code says whether there are violations. */
function torture(...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: process.env['TEST_DATABASE_URL'] };
  const command = ['test/torture/files.mjs', '--largest=1000000', '--clients=4', ...args];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, command, { env, timeout: 170_000 }, (_error, out, complaints) => {
      if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
      resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
    });
  });
}

it('what was acknowledged reads back with its hash, and the sweep finds nothing left, after 3 kills', async () => {
  const { code, verdict } = await torture('--kills=3');
  expect([code, verdict.violations]).toEqual([0, []]);
  expect(verdict.counts.kills).toBe(3);
  expect(Math.min(verdict.counts.acknowledged, verdict.counts.deleted, verdict.counts.read)).toBeGreaterThan(10);
});

it('the red twin, whose bytes no row knows of before they have a file, leaves some behind', async () => {
  const { code, verdict } = await torture('--kills=2', '--processes=1', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join()).toContain('no row knows it');
});
