// The torture of the cache in short, with its red twin: a driver of its own, servers and a Redis that are really killed and frozen.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';
import { REDIS_SERVER } from '../support/services.js';

jest.setTimeout(420_000);

interface Verdict {
  counts: { writes: number; reads: number; lists: number; kills: number; freezes: number; stops: number };
  violations: string[];
}

/** The verdict is the last line; the code says whether there are violations. */
function torture(...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const env = { PATH: process.env['PATH'], DATABASE_URL: process.env['TEST_DATABASE_URL'] };
  const command = ['test/torture/cache-races.mjs', '--keys=5', ...args];
  return new Promise((resolve, reject) => {
    const child = execFile(process.execPath, command, { env, timeout: 400_000 }, (_error, out, complaints) => {
      if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
      resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
    });
  });
}

const withRedis = REDIS_SERVER === undefined ? it.skip : it;

withRedis('redis: nobody is told an older version, with Redis killed and frozen under the load', async () => {
  const { code, verdict } = await torture('--seconds=8', '--kills=2', '--freezes=1');
  expect([code, verdict.violations]).toEqual([0, []]);
  expect(verdict.counts).toMatchObject({ kills: 2, freezes: 1 });
  expect(Math.min(verdict.counts.writes, verdict.counts.reads, verdict.counts.lists)).toBeGreaterThan(10);
});

it('memory: nobody is told an older version, with a server frozen under the load', async () => {
  const { code, verdict } = await torture('--seconds=6', '--store=memory', '--stops=1');
  expect([code, verdict.violations]).toEqual([0, []]);
  expect(verdict.counts.stops).toBe(1);
  expect(Math.min(verdict.counts.writes, verdict.counts.reads, verdict.counts.lists)).toBeGreaterThan(10);
});

it('with changes that are told after the commit only, somebody is', async () => {
  const store = REDIS_SERVER === undefined ? 'memory' : 'redis';
  const { code, verdict } = await torture('--seconds=60', `--store=${store}`, '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join('\n')).toMatch(/version \d+ of .* after \d+ had been told/);
});
