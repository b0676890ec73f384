// Runs short versions of the cache torture and its red twin: real servers and a real Redis are killed and frozen.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';
import { REDIS_SERVER } from '../support/engines/services.js';

jest.setTimeout(420_000);

interface Verdict {
  counts: { writes: number; reads: number; lists: number; kills: number; freezes: number; stops: number };
  violations: string[];
}

/** The verdict is the last line of output; the exit code is 1 when there are violations. */
function torture(...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: process.env['TEST_DATABASE_URL'] };
  const command = ['test/torture/cache-races.mjs', '--keys=5', '--readers=12', '--writers=4', ...args];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, command, { env, timeout: 400_000 }, (_error, out, complaints) => {
      if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
      resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
    });
  });
}

const withRedis = REDIS_SERVER === undefined ? it.skip : it;

withRedis('Redis cache: no read returns an outdated version while Redis is killed and frozen under load', async () => {
  const { code, verdict } = await torture('--seconds=8', '--kills=2', '--freezes=1');
  expect([code, verdict.violations]).toEqual([0, []]);
  expect(verdict.counts).toMatchObject({ kills: 2, freezes: 1 });
  expect(Math.min(verdict.counts.writes, verdict.counts.reads, verdict.counts.lists)).toBeGreaterThan(10);
});

it('memory cache: no read returns an outdated version while a server is frozen under load', async () => {
  const { code, verdict } = await torture('--seconds=6', '--store=memory', '--stops=1');
  expect([code, verdict.violations]).toEqual([0, []]);
  expect(verdict.counts.stops).toBe(1);
  expect(Math.min(verdict.counts.writes, verdict.counts.reads, verdict.counts.lists)).toBeGreaterThan(10);
});

it('the red twin, which announces changes only after the commit, is detected', async () => {
  const store = REDIS_SERVER === undefined ? 'memory' : 'redis';
  const { code, verdict } = await torture('--seconds=60', `--store=${store}`, '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join('\n')).toMatch(/version \d+ of .* after \d+ had been returned/);
});
