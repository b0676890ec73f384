// The postgres process: a guardian process stops it when ours dies, and postmaster.pid identifies a running one.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, open, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import {
  EmbeddedPostgresError,
  isAlive,
  type Place,
  SERVER_ENVIRONMENT,
  unfinished,
} from './embedded-postgres.place.js';

export interface Server {
  pid: number;
  port: number;
  /** The parent process of postgres, when we started it. */
  guardian?: ChildProcess;
}

const START_MS = 60_000; // crash recovery after a power cut takes time
const STOPPING_MS = 15_000;
const STOP_MS = 60_000;
const POLL_MS = 20;
const GUARDIAN = 'holdfast-guardian';

/**
 * The parent of postgres. fd 3 is a pipe whose other end only our process holds: however our process dies, the pipe ends
 * and the guardian sends postgres a fast shutdown. It repeats the signal, because a postgres in its first milliseconds
 * ignores it (sh starts background jobs with SIGINT ignored).
 */
const GUARDIAN_SCRIPT = `
"$@" 3<&- &
server=$!
( read -r line; for pause in 1 2 4 8; do kill -INT "$server" || break; sleep "$pause" <&-; done ) <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$server"
code=$?
kill -KILL "$watcher" 2>/dev/null
exit "$code"`;

/** Another process was faster (the folder or the port is taken), or children of the last server are still exiting. */
const RETRYABLE_START =
  /lock file "postmaster\.pid" already exists|pre-existing shared memory block|could not create any TCP/;

/** Returns the ready server of a cluster, or null when none runs. Waits for one that is starting or stopping. */
export async function findServer({ cluster, version }: Place, log: (line: string) => void): Promise<Server | null> {
  let isLogged = false;
  for (const began = performance.now(); ; await sleep(POLL_MS)) {
    const file = await readPidFile(cluster);
    if (!file || !isAlive(file.pid)) return null;
    if (await isStale(file.pid, cluster)) {
      await removeStale(cluster, file.text);
      return null;
    }
    if (file.status === 'ready') return { pid: file.pid, port: file.port };
    const status = file.status || 'starting';
    if (!isLogged) log(`PostgreSQL ${version}: waiting for the one that is ${status} (pid ${file.pid})`);
    isLogged = true;
    if (performance.now() - began > (status === 'stopping' ? STOPPING_MS : START_MS)) {
      throw new EmbeddedPostgresError(
        `The PostgreSQL of ${cluster} (pid ${file.pid}) is still ${status}: wait until it is done and start again.`,
      );
    }
  }
}

/** Starts postgres. Returns null after a temporary conflict; the caller then looks for a running server again. */
export async function startServer(place: Place, durable: boolean, log: (line: string) => void): Promise<Server | null> {
  const port = await findFreePort();
  const logFile = join(place.home, 'postgres.log');
  await writeFile(logFile, '', { mode: 0o600 });
  const { uid, gid } = place.user;
  if (uid !== undefined && gid !== undefined) await chown(logFile, uid, gid); // that user may start the server itself next time
  const output = await open(logFile, 'a');
  const command = [join(place.bin, 'postgres'), '-D', place.cluster, ...toFlags(port, durable)];
  const guardian = spawn('/bin/sh', ['-c', GUARDIAN_SCRIPT, GUARDIAN, ...command], {
    ...place.user,
    cwd: '/',
    env: SERVER_ENVIRONMENT,
    detached: true, // Ctrl-C in the terminal reaches only us; we stop postgres after our own work
    stdio: ['ignore', output.fd, output.fd, 'pipe'],
  });
  await once(guardian, 'spawn').finally(() => output.close());
  for (
    const began = performance.now();
    guardian.exitCode === null && guardian.signalCode === null;
    await sleep(POLL_MS)
  ) {
    const file = await readPidFile(place.cluster);
    if (file?.status === 'ready' && file.port === port && (await inspect(file.pid))?.parent === guardian.pid) {
      return { pid: file.pid, port, guardian: release(guardian) };
    }
    if (performance.now() - began > START_MS) {
      releaseGuardian(guardian);
      throw new EmbeddedPostgresError(`PostgreSQL was not ready after ${START_MS / 1000} s: see ${logFile}.`);
    }
  }
  const logText = await readFile(logFile, 'utf8');
  if (RETRYABLE_START.test(logText) || (await findServer(place, log))) return null;
  throw new EmbeddedPostgresError(`PostgreSQL did not start: ${lastFault(logText)} (see ${logFile})`);
}

/** Shuts postgres down fast. Resolves when the process has ended. */
export async function stopServer(cluster: string, { pid, guardian }: Server): Promise<void> {
  const runs = async () => (await readPidFile(cluster))?.pid === pid && (await inspect(pid)) !== null;
  if (await runs()) process.kill(pid, 'SIGINT');
  for (const began = performance.now(); await runs(); await sleep(POLL_MS)) {
    if (performance.now() - began > STOP_MS) {
      throw new EmbeddedPostgresError(`PostgreSQL (pid ${pid}) is still shutting down after ${STOP_MS / 1000} s.`);
    }
  }
  if (guardian) {
    guardian.ref();
    releaseGuardian(guardian);
    if (guardian.exitCode === null && guardian.signalCode === null) await once(guardian, 'exit');
  } else {
    while (await inspect(pid)) await sleep(POLL_MS); // postgres removes the file just before it exits
  }
}

/** True while the process that started this server is alive or about to stop it. */
export async function isGuarded(pid: number): Promise<boolean> {
  const parent = (await inspect(pid))?.parent;
  return parent !== undefined && (await commandLine(parent)).includes(GUARDIAN);
}

function toFlags(port: number, durable: boolean): string[] {
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 100,
    shared_buffers: '64MB',
    io_method: 'sync', // as before PostgreSQL 18: three processes fewer when idle
    jit: 'off',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
  };
  return Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
}

/** The guardian and its pipe must not keep our process alive: the guardian does its work after our process has ended. */
function release(guardian: ChildProcess): ChildProcess {
  guardian.unref();
  (guardian.stdio[3] as Socket).unref();
  return guardian;
}

function releaseGuardian(guardian: ChildProcess): void {
  guardian.stdio[3]?.destroy();
}

/** Returns the reason in a server log, for a one-line message. */
function lastFault(log: string): string {
  const lines = log.trim().split('\n');
  const fault = lines.findLast((line) => /(FATAL|PANIC|ERROR):/.test(line)) ?? lines.at(-1) ?? '';
  return fault.replace(/^.*?(?=FATAL|PANIC|ERROR)/, '');
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('A listening TCP socket has a port.');
  return address.port;
}

interface PidFile {
  text: string;
  pid: number;
  port: number;
  status: string;
}

/** The lines of the file: pid, folder, start time, port, socket folder, address, shared memory, status. */
async function readPidFile(cluster: string): Promise<PidFile | null> {
  const text = await readFile(join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const lines = text.split('\n').map((line) => line.trim());
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10)); // negative for a single-user postgres
  return pid > 0 ? { text, pid, port: Number(lines[3]), status: lines[7] ?? '' } : null;
}

/** Removes the file only if its text is unchanged: a new server may have written its own since. */
async function removeStale(cluster: string, text: string): Promise<void> {
  const file = join(cluster, 'postmaster.pid');
  const aside = unfinished(`${file}.stale`);
  await rename(file, aside).catch(() => undefined);
  if ((await readFile(aside, 'utf8').catch(() => text)) === text) await rm(aside, { force: true });
  else await rename(aside, file);
}

interface ProcessInfo {
  parent: number;
  /** Empty when the system does not report it. */
  name: string;
}

/** Returns a live process, or null when there is none or only a zombie. */
async function inspect(pid: number): Promise<ProcessInfo | null> {
  if (!isAlive(pid)) return null;
  const line =
    process.platform === 'linux'
      ? await readFile(`/proc/${pid}/stat`, 'utf8').then(
          (text) => text.replace(/^\d+ \((.*)\) (\S) (\d+).*$/s, '$2 $3 $1'),
          () => '',
        )
      : await ps(pid, 'stat=,ppid=,comm=');
  const [, state, parent, name] = /^\s*(\S+)\s+(\d+)\s+(.*?)\s*$/.exec(line) ?? [];
  if (!state) return isAlive(pid) ? { parent: 0, name: '' } : null;
  return /^[ZX]/.test(state) ? null : { parent: Number(parent), name: basename(name ?? '') };
}

/** True when the pid exists but certainly does not (any longer) belong to a postgres of this folder. */
async function isStale(pid: number, cluster: string): Promise<boolean> {
  const found = await inspect(pid);
  if (!found || (found.name !== '' && found.name !== 'postgres')) return true; // a zombie, or a reused pid
  const folder = await readlink(`/proc/${pid}/cwd`).catch(() => cluster); // the working folder of postgres is its data folder
  return folder !== cluster;
}

async function commandLine(pid: number): Promise<string> {
  return process.platform === 'linux' ? readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '') : ps(pid, 'args=');
}

async function ps(pid: number, columns: string): Promise<string> {
  return promisify(execFile)('ps', ['-ww', '-o', columns, '-p', String(pid)]).then(
    ({ stdout }) => stdout,
    () => '',
  );
}
