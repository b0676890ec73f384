// The cluster folder of the embedded PostgreSQL: checked before use, created under a temporary name and renamed when complete.
import { execFile } from 'node:child_process';
import { chown, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  codeOf,
  EmbeddedPostgresError,
  type Place,
  removeLeftOvers,
  SERVER_ENVIRONMENT,
  unfinished,
} from './embedded-postgres.place.js';

export interface ClusterOptions {
  password: string;
  durable: boolean;
  log(line: string): void;
}

/** Creates the cluster if there is none. Throws for a folder that PostgreSQL could not use, and leaves the folder unchanged. */
export async function ensureCluster(place: Place, options: ClusterOptions): Promise<void> {
  await removeLeftOvers(place.home, 'postgres.init-');
  if (!(await hasCluster(place))) await makeCluster(place, options);
}

async function hasCluster({ cluster, version, user }: Place): Promise<boolean> {
  const folder = await stat(cluster).catch(() => null);
  if (!folder) return false;
  const uid = user.uid ?? process.geteuid?.();
  const present = await readdir(cluster).catch((error: unknown) => {
    if (codeOf(error) === 'EACCES') throw belongsToOther(cluster, folder.uid, uid);
    throw error;
  });
  if (present.length === 0) return false;

  const written = await readFile(join(cluster, 'PG_VERSION'), 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
  const controlled = await stat(join(cluster, 'global', 'pg_control')).then(
    () => true,
    () => false,
  );
  if (!written || !controlled) {
    const missing = written ? 'global/pg_control' : 'PG_VERSION';
    throw new EmbeddedPostgresError(
      `${cluster} is not a complete PostgreSQL data folder (${missing} is missing): move it away, and the next start creates a new one.`,
    );
  }
  const major = version.split('.')[0];
  if (written !== major) {
    throw new EmbeddedPostgresError(
      `${cluster} was created by PostgreSQL ${written}, this is PostgreSQL ${major}: dump it with ${written} and restore it into a new folder, or start with another DATA_DIR.`,
    );
  }
  if (folder.uid !== uid) throw belongsToOther(cluster, folder.uid, uid);
  return true;
}

function belongsToOther(cluster: string, owner: number, uid: number | undefined): EmbeddedPostgresError {
  return new EmbeddedPostgresError(
    `${cluster} belongs to user ${owner}, but PostgreSQL would run as user ${uid}: start as that user or as root, or change the owner (chown -R ${uid}).`,
  );
}

async function makeCluster({ home, cluster, bin, version, user }: Place, options: ClusterOptions): Promise<void> {
  const started = performance.now();
  const draft = unfinished(join(home, 'postgres.init'));
  try {
    await mkdir(draft, { mode: 0o700 });
    await writeFile(join(draft, 'password'), options.password, { mode: 0o600 });
    if (user.uid !== undefined && user.gid !== undefined) {
      await chown(draft, user.uid, user.gid);
      await chown(join(draft, 'password'), user.uid, user.gid);
    }
    await initialise(draft, bin, user, options.durable);
    await rename(join(draft, 'data'), cluster); // replaces an empty folder, never one with content
    if (options.durable) await syncFolder(home);
    options.log(`PostgreSQL ${version}: data folder created in ${Math.round(performance.now() - started)} ms`);
  } catch (error) {
    // A concurrent first start won the race; its cluster is equivalent to ours.
    if (codeOf(error) !== 'ENOTEMPTY' && codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The builtin locale does not depend on the machine, and sorts the same on all machines. */
async function initialise(draft: string, bin: string, user: Place['user'], durable: boolean): Promise<void> {
  const flags = [
    `--pgdata=${join(draft, 'data')}`,
    `--pwfile=${join(draft, 'password')}`,
    '--username=postgres',
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
    '--locale=C',
    '--no-instructions',
    ...(durable ? [] : ['--no-sync']),
  ];
  try {
    await promisify(execFile)(join(bin, 'initdb'), flags, { ...user, cwd: '/', env: SERVER_ENVIRONMENT });
  } catch (error) {
    const output = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
    const reason =
      output.split('\n').findLast((line) => /(error|fatal):/i.test(line)) ?? output.trim() ?? String(error);
    throw new EmbeddedPostgresError(`PostgreSQL could not create its data folder: ${reason || String(error)}`);
  }
}

/** Makes the rename survive a power cut; otherwise the next start would delete the cluster as an unfinished left-over. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
