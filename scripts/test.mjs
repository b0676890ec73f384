// `npm test`: dependencies, build, then Jest with our arguments: `npm test -- unit`, `yarn test tasks --verbose`.
// `--within=FOLDER` limits the run to the suites of a folder, among which the other arguments choose.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { ROOT } from './step.mjs';

await ensureInstalled();
await ensureBuilt(); // the global setup migrates its template database with the build

// Whatever the suites leave behind is in here, and goes however they end: Jest tears nothing down on Ctrl-C.
const temporary = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
chmodSync(temporary, 0o711); // as root, PostgreSQL runs as somebody else

// Node's ES modules in Jest's sandbox need the flag; Jest hands both on to its workers.
const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
const jest = spawn(
  process.execPath,
  [...flags, 'node_modules/jest/bin/jest.js', ...jestArguments(process.argv.slice(2))],
  {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: temporary, TEMP: temporary },
    stdio: 'inherit',
  },
);
process.on('SIGINT', () => undefined); // Ctrl-C reaches Jest too; we end after it
process.on('SIGTERM', () => jest.kill());
const [code] = await once(jest, 'close');
rmSync(temporary, { recursive: true, force: true, maxRetries: 10 }); // a PostgreSQL that was cut short takes a moment
process.exitCode = code ?? 1;

/** Paths are alternatives to Jest, so a folder among them would add its suites: it has to be a `testMatch`, and the last argument, since that option takes all that follow. */
function jestArguments(given) {
  const within = given.find((argument) => argument.startsWith('--within='));
  if (within === undefined) return given;
  const folder = within.slice('--within='.length);
  return [...given.filter((argument) => argument !== within), '--testMatch', `<rootDir>/${folder}/**/*.spec.ts`];
}
