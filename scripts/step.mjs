// Runs one step of a command: skips it when its inputs are unchanged since its last success; otherwise logs and times it.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

const HEARTBEAT_MS = 10_000;

/**
 * The file `stamp` contains the fingerprint of the inputs of the last success. It covers contents, not times: a fresh
 * checkout has new times on old files, and a restored backup has old times on new files. A failed step ends the process.
 */
export async function step({ title, inputs, stamp, work }) {
  const now = fingerprint(inputs);
  if (read(stamp) === now) return;
  rmSync(join(ROOT, stamp), { force: true }); // removed until the step succeeds
  const began = performance.now();
  const seconds = () => `${((performance.now() - began) / 1000).toFixed(1)} s`;
  console.log(`${title} …`);
  const heartbeat = setInterval(() => console.log(`${title}: ${seconds()} so far`), HEARTBEAT_MS);
  try {
    await work();
    writeFileSync(join(ROOT, stamp), now);
    console.log(`${title}: done in ${seconds()}`);
  } catch (error) {
    console.error(`${title}: failed after ${seconds()}\n${error.message}`);
    process.exit(1);
  } finally {
    clearInterval(heartbeat);
  }
}

/** Runs a program silently. Rejects with its output as the message when it fails. */
export function run(command, args) {
  return new Promise((resolve, reject) => {
    const shell = process.platform === 'win32' && command === 'npx'; // npx is a .cmd file on Windows
    const child = spawn(command, args, { cwd: ROOT, shell, stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (said += text));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(said.trim() || `${command} ended: ${code}`)),
    );
  });
}

/** Returns every file under a path of the project, the path itself when it is a file, nothing when it does not exist. */
export function filesUnder(path) {
  const found = statSync(join(ROOT, path), { throwIfNoEntry: false });
  if (!found?.isDirectory()) return found ? [path] : [];
  return readdirSync(join(ROOT, path))
    .sort()
    .flatMap((name) => filesUnder(join(path, name)));
}

/** True when a module is the program itself and not imported. */
export function isProgram(url) {
  return process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(url);
}

/** Contains the platform, because dependencies of one platform do not run on another one that shares the folder. */
function fingerprint(paths) {
  const hash = createHash('sha256').update(`${process.platform} ${process.arch}`);
  for (const file of paths.flatMap(filesUnder)) hash.update(`\0${file}\0`).update(readFileSync(join(ROOT, file)));
  return hash.digest('hex');
}

function read(path) {
  try {
    return readFileSync(join(ROOT, path), 'utf8');
  } catch {
    return undefined; // no stamp: the step never succeeded
  }
}
