// `npm test`: installs dependencies, builds, then passes its arguments to Jest: `npm test -- unit`, `npm test -- tasks --verbose`.
// `--within=FOLDER` limits the run to the suites of a folder; the other arguments select among them.
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

// Temporary files of the suites. Removed at the end in any case, since Jest does not clean up after Ctrl-C.
const temporary = mkdtempSync(join(tmpdir(), 'holdfast-test-'));
chmodSync(temporary, 0o711); // when this runs as root, PostgreSQL runs as another user

// ES modules in Jest's sandbox need the flag; Jest passes both flags to its workers.
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
process.on('SIGINT', () => undefined); // Ctrl-C reaches Jest, too; this process ends after Jest
process.on('SIGTERM', () => jest.kill());
const [code] = await once(jest, 'close');
rmSync(temporary, { recursive: true, force: true, maxRetries: 10 }); // a killed PostgreSQL needs a moment to end
process.exitCode = code ?? 1;

/**
 * Jest treats paths as alternatives, so a folder among them would add its suites. Therefore the folder becomes a
 * `testMatch`, as the last argument, because that option takes all arguments that follow it.
 */
function jestArguments(given) {
  const within = given.find((argument) => argument.startsWith('--within='));
  if (within === undefined) return given;
  const folder = within.slice('--within='.length);
  return [...given.filter((argument) => argument !== within), '--testMatch', `<rootDir>/${folder}/**/*.spec.ts`];
}
