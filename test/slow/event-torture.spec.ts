// Runs a short version of the torture of the event log and its red twin: servers and a PostgreSQL of its own are killed.
import { execFile } from 'node:child_process';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(420_000);

interface Verdict {
  counts: { acknowledged: number; events: number; kills: number; crashes: number };
  violations: string[];
}

/** The verdict is the last line of output; the exit code is 1 when there are violations. */
function torture(...args: string[]): Promise<{ code: number; verdict: Verdict }> {
  const command = ['test/torture/events.mjs', '--owners=5', '--readers=4', ...args];
  return new Promise((resolve, reject) => {
    const options = { env: { PATH: process.env['PATH'] }, timeout: 400_000 };
    const child = execFile(process.execPath, command, options, (_error, out, complaints) => {
      if (!out.startsWith('{')) return reject(new Error(`No verdict: ${out}${complaints}`));
      resolve({ code: child.exitCode ?? -1, verdict: JSON.parse(out) as Verdict });
    });
  });
}

it('readers see every event of an owner once and in order while servers are killed and PostgreSQL crashes', async () => {
  const { code, verdict } = await torture('--events=1500', '--kills=2', '--crashes=1');
  expect([code, verdict.violations]).toEqual([0, []]);
  expect(verdict.counts).toMatchObject({ kills: 2, crashes: 1 });
  expect(verdict.counts.events).toBeGreaterThanOrEqual(1_500);
});

it('the red twin, a cursor over an identity column, is detected', async () => {
  const { code, verdict } = await torture('--events=3000', '--kills=0', '--crashes=0', '--unprotected');
  expect(code).toBe(1);
  expect(verdict.violations.join('\n')).toMatch(/a reader: /);
});
