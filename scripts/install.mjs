// Installs the dependencies of yarn.lock with the pinned Yarn, on a machine that has only Node and npm.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isProgram, ROOT, run, step } from './step.mjs';

/** npm's record of what it installed. Yarn's record and the stamp do not cover that. */
const NPM_RECORD = 'node_modules/.package-lock.json';
const RECORDS = ['node_modules/.installed', 'node_modules/.yarn-state.yml', NPM_RECORD];

/** Also the last step of `npm install` (`prepare`): npm cannot read yarn.lock, so Yarn replaces the versions of npm. */
export async function ensureInstalled() {
  const { engines, packageManager } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  refuseOldNode(engines.node.replace('>=', ''));
  if (!existsSync(join(ROOT, 'yarn.lock'))) return; // built images have their dependencies
  if (existsSync(join(ROOT, NPM_RECORD))) for (const record of RECORDS) rmSync(join(ROOT, record), { force: true });
  const version = packageManager.replace('yarn@', '');
  await step({
    title: `Dependencies: installing with Yarn ${version}`,
    inputs: ['yarn.lock'],
    stamp: 'node_modules/.installed',
    work: () => run('npx', ['-y', `@yarnpkg/cli-dist@${version}`, 'install', '--immutable']),
  });
}

function refuseOldNode(least) {
  const [major, minor] = least.split('.').map(Number);
  const [ourMajor, ourMinor] = process.versions.node.split('.').map(Number);
  if (ourMajor > major || (ourMajor === major && ourMinor >= minor)) return;
  console.error(
    `Holdfast needs Node ${least} or newer, this is ${process.versions.node}: install a newer one and try again.`,
  );
  process.exit(1);
}

if (isProgram(import.meta.url)) await ensureInstalled();
