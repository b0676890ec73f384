// Measures the start time and the memory at rest: `npm run build && node bench/start.mjs`. Linux only (/proc).
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const STARTS = 6;
const REST_MS = 5_000;
const PORT = process.env.PORT ?? '3999';
const dataDir = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
let home = dataDir; // as root, the cluster is in another folder

const times = [];
let memory = '';
for (let start = 1; start <= STARTS; start++) {
  const began = performance.now();
  const env = { ...process.env, DATA_DIR: dataDir, PORT, NODE_ENV: 'development', LOG_FORMAT: 'json' };
  const server = spawn(process.execPath, ['dist/src/main.js'], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  await ready();
  times.push(Math.round(performance.now() - began));
  if (start === STARTS) memory = await atRest(server.pid);
  const ended = new Promise((resolve) => server.once('exit', resolve));
  server.kill('SIGTERM');
  await ended;
}
const [first, ...later] = times;
console.log(`first start, database made and migrated: ${first} ms`);
console.log(`later starts: median ${later.sort((a, b) => a - b)[later.length >> 1]} ms (${later[0]}-${later.at(-1)})`);
console.log(memory);
for (const folder of [dataDir, home]) rmSync(folder, { recursive: true, force: true });

async function ready() {
  for (;;) {
    const answer = await fetch(`http://127.0.0.1:${PORT}/health/ready`).catch(() => null);
    if (answer?.status === 200) return;
    await delay(10);
  }
}

/** Proportional set size, MiB: shared memory, such as PostgreSQL's, is counted once. */
async function atRest(pid) {
  await delay(REST_MS);
  home = read(join(dataDir, 'postgres.location')).trim() || dataDir;
  const postmaster = read(join(home, 'postgres/postmaster.pid')).split('\n')[0];
  const family = [postmaster, ...readdirSync('/proc').filter((entry) => parentOf(entry) === postmaster)];
  const database = family.reduce((sum, process) => sum + sizeOf(process), 0);
  return `at rest: server ${mib(sizeOf(pid))} MiB, PostgreSQL ${mib(database)} MiB in ${family.length} processes`;
}

function parentOf(pid) {
  return /^\d+$/.test(pid) ? /^PPid:\t(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] : undefined;
}

/** Value in KiB. */
function sizeOf(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

function mib(kib) {
  return Math.round(kib / 1024);
}

function read(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
