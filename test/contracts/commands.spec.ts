// The test commands of package.json: which suites they run, and when coverage thresholds apply. `dev` is an alias.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, jest } from '@jest/globals';

jest.setTimeout(120_000); // each command is a separate process, which checks whether the build is fresh

const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> };

/** Returns the suites that a command with these arguments runs. */
async function suitesOf(script: string, ...args: string[]): Promise<string[]> {
  const [, ...command] = (scripts[script] as string).split(' ');
  const { stdout } = await promisify(execFile)(process.execPath, [...command, '--listTests', ...args]);
  const paths = stdout.split('\n').filter((line) => line.endsWith('.spec.ts'));
  return paths.map((path) => relative(process.cwd(), path).split(sep).join('/')).sort();
}

it('`test:e2e FILE` runs only that file; `test:e2e` runs the whole folder and nothing else', async () => {
  expect(await suitesOf('test:e2e', 'test/e2e/tasks.spec.ts')).toEqual(['test/e2e/tasks.spec.ts']);
  const all = await suitesOf('test:e2e', '-w', '1');
  expect(all.length).toBeGreaterThan(20);
  expect(all.filter((path) => !path.startsWith('test/e2e/'))).toEqual([]);
});

it('`test:slow` runs the slow suites, which `npm test` leaves out', async () => {
  const slow = await suitesOf('test:slow', '-w', '1');
  expect(slow).toContain('test/slow/job-torture.spec.ts');
  expect(slow.filter((path) => !path.startsWith('test/slow/'))).toEqual([]);
  const usual = await suitesOf('test', '-w', '1');
  expect(usual.length).toBeGreaterThan(100);
  expect(usual.filter((path) => path.startsWith('test/slow/'))).toEqual([]);
});

it('coverage thresholds apply to a run of all suites, not to a selection', async () => {
  const thresholdsOf = async (...args: string[]): Promise<unknown> => {
    const jest = ['node_modules/jest/bin/jest.js', '--showConfig', '--coverage', ...args];
    const { stdout } = await promisify(execFile)(process.execPath, jest);
    return (JSON.parse(stdout) as { globalConfig: { coverageThreshold?: unknown } }).globalConfig.coverageThreshold;
  };
  const all = await thresholdsOf('-w', '1', '--silent');
  expect(all).toEqual({ global: expect.objectContaining({ lines: expect.any(Number) }) });
  for (const chosen of [['test/unit'], ['-t', 'name'], ['--shard=1/2'], ['--testMatch', '<rootDir>/test/e2e/*.ts']])
    expect(await thresholdsOf(...chosen)).toBeUndefined();
});

it('`dev` is an alias of `start:dev`', () => {
  expect(scripts['dev']).toBe('npm run start:dev');
  expect(scripts).toHaveProperty('start:dev');
});
