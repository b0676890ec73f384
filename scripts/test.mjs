// `npm test`: dependencies, build, then Jest with our arguments: `npm test -- unit`, `yarn test e2e --verbose`.
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
const jest = spawn(process.execPath, [...flags, 'node_modules/jest/bin/jest.js', ...process.argv.slice(2)], {
  cwd: ROOT,
  env: { ...process.env, TMPDIR: temporary, TEMP: temporary },
  stdio: 'inherit',
});
process.on('SIGINT', () => undefined); // Ctrl-C reaches Jest too; we end after it
process.on('SIGTERM', () => jest.kill());
const [code] = await once(jest, 'close');
rmSync(temporary, { recursive: true, force: true, maxRetries: 10 }); // a PostgreSQL that was cut short takes a moment
process.exitCode = code ?? 1;
