// The tortures of the files in short, with their red twins: servers that are really killed, names and types that are tricks.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(420_000);

interface Verdict {
  counts: Record<string, number>;
  violations: string[];
}

/** The verdict is the last line; the code says whether there are violations. */
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

it('what was acknowledged reads back with its hash, and the sweep finds nothing left, after 3 kills', async () => {
  const { code, verdict } = await torture(...UNDER_KILLS, '--kills=3');
  expect([code, verdict.violations]).toEqual([0, []]);
  const { kills, ranges, acknowledged = 0, deleted = 0, read = 0 } = verdict.counts;
  expect([kills, ranges]).toEqual([3, 100]);
  expect(Math.min(acknowledged, deleted, read)).toBeGreaterThan(10);
});

it('the red twin, whose bytes no row knows of before they have a file, leaves some behind', async () => {
  const { code, verdict } = await torture(...UNDER_KILLS, '--kills=2', '--processes=1', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join()).toContain('no row knows it');
});

it('no name is a path and no content runs, of 400 that try', async () => {
  const { code, verdict } = await torture('file-names.mjs', '--count=400');
  expect([code, verdict.violations]).toEqual([0, []]);
  const { kept = 0, refused = 0, served = 0 } = verdict.counts;
  expect([kept + refused, served]).toEqual([400, kept]);
  expect(Math.min(kept, refused)).toBeGreaterThan(50);
});

it('the red twin, which believes names and types, is found out', async () => {
  const { code, verdict } = await torture('file-names.mjs', '--count=30', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join()).toMatch(/wrong type.*was written/);
});
