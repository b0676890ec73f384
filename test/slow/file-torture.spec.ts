// Runs short versions of the file tortures and their red twins: servers are killed, and names and types are hostile.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(420_000);

interface Verdict {
  counts: Record<string, number>;
  violations: string[];
}

/** The verdict is the last line of output; the exit code is 1 when there are violations. */
function torture(file: string, ...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: process.env['TEST_DATABASE_URL'] };
  const command = [`test/torture/${file}`, ...args];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, command, { env, timeout: 400_000 }, (_error, out, complaints) => {
      if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
      resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
    });
  });
}

const UNDER_KILLS = ['files.mjs', '--largest=1000000', '--clients=4', '--ranges=100'] as const;

it('every acknowledged file reads back with its hash after 3 kills, and the sweep finds nothing left over', async () => {
  const { code, verdict } = await torture(...UNDER_KILLS, '--kills=3');
  expect([code, verdict.violations]).toEqual([0, []]);
  const { kills, ranges, acknowledged = 0, deleted = 0, read = 0 } = verdict.counts;
  expect([kills, ranges]).toEqual([3, 100]);
  expect(Math.min(acknowledged, deleted, read)).toBeGreaterThan(10);
});

it('the red twin, which writes bytes before any row knows of them, leaves bytes behind', async () => {
  const { code, verdict } = await torture(...UNDER_KILLS, '--kills=2', '--processes=1', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join()).toContain('no row knows it');
});

it('of 400 hostile names and types none becomes a path or runs in a browser', async () => {
  const { code, verdict } = await torture('file-names.mjs', '--count=400');
  expect([code, verdict.violations]).toEqual([0, []]);
  const { kept = 0, refused = 0, served = 0 } = verdict.counts;
  expect([kept + refused, served]).toEqual([400, kept]);
  expect(Math.min(kept, refused)).toBeGreaterThan(50);
});

it('the red twin, which trusts names and types, is detected', async () => {
  const { code, verdict } = await torture('file-names.mjs', '--count=30', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join()).toMatch(/wrong type.*was written/);
});
