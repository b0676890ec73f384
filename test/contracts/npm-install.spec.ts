// `npm install` leaves the checkout unchanged in git and installs the versions of yarn.lock.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeEach, expect, it, jest } from '@jest/globals';

jest.setTimeout(120_000); // npm and Node, one process each

const base = mkdtempSync(join(tmpdir(), 'npm-install-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));
let checkout: string;
let count = 0;

/** A checkout with one dependency that needs no network, and a fake Yarn that records its calls. */
beforeEach(() => {
  checkout = join(base, String(count++));
  mkdirSync(join(checkout, 'bin'), { recursive: true });
  mkdirSync(join(checkout, 'one'));
  writeFileSync(join(checkout, 'one/package.json'), '{"name":"one","version":"1.0.0"}');
  for (const file of ['.npmrc', 'yarn.lock', 'scripts/install.mjs', 'scripts/step.mjs'])
    if (existsSync(file)) cpSync(file, join(checkout, file));
  const { name, type, engines, packageManager, scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<
    string,
    unknown
  >;
  const manifest = { name, type, engines, packageManager, scripts, dependencies: { one: 'file:one' } };
  writeFileSync(join(checkout, 'package.json'), JSON.stringify(manifest));
  const npx = '#!/bin/sh\necho "$@" >> calls\nmkdir -p node_modules\ntouch node_modules/.yarn-state.yml\n';
  writeFileSync(join(checkout, 'bin/npx'), npx, { mode: 0o755 });
});

async function run(program: string, ...args: string[]): Promise<void> {
  const PATH = join(checkout, 'bin') + delimiter + String(process.env['PATH']);
  await promisify(execFile)(program, args, { cwd: checkout, env: { ...process.env, PATH } });
}

const read = (file: string): string => readFileSync(join(checkout, file), 'utf8');
const yarnRuns = (): number => (existsSync(join(checkout, 'calls')) ? read('calls').trim().split('\n').length : 0);

it('npm install writes no lock file, leaves yarn.lock unchanged, and finally runs Yarn', async () => {
  const lock = read('yarn.lock');
  await run('npm', 'install', '--offline');
  expect(read('yarn.lock')).toBe(lock);
  expect(existsSync(join(checkout, 'package-lock.json'))).toBe(false);
  expect(read('calls')).toMatch(/^-y @yarnpkg\/cli-dist@\d+\.\d+\.\d+ install --immutable\n$/);
});

it('Yarn runs again after each npm installation, and only then', async () => {
  await run(process.execPath, 'scripts/install.mjs');
  await run(process.execPath, 'scripts/install.mjs');
  expect(yarnRuns()).toBe(1);
  await run('npm', 'install', '--offline', '--ignore-scripts');
  await run(process.execPath, 'scripts/install.mjs');
  await run(process.execPath, 'scripts/install.mjs');
  expect(yarnRuns()).toBe(2);
});
