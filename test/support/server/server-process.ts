// The built server as a separate process with its own DATA_DIR: start, signals, kill, cleanup.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { Api } from '../http/api.js';
import { until } from '../time/until.js';

const MAIN = resolve('dist/src/main.js');

/** A temporary DATA_DIR with the files in it, and those that root keeps admin of it. */
export class DataDir {
  readonly base = mkdtempSync(join(tmpdir(), 'holdfast-process-'));
  readonly path = join(this.base, 'data');

  constructor() {
    chmodSync(this.base, 0o755);
  }

  private get home(): string {
    const location = join(this.path, 'postgres.location');
    return existsSync(location) ? readFileSync(location, 'utf8').trim() : this.path;
  }

  /** The pid of the running PostgreSQL. */
  get postmaster(): { pid: number; port: number } {
    const lines = readFileSync(join(this.home, 'postgres/postmaster.pid'), 'utf8').split('\n');
    return { pid: Number(lines[0]), port: Number(lines[3]) };
  }

  /** Connects a client to the running database. */
  async connect(): Promise<pg.Client> {
    const { database: password } = JSON.parse(readFileSync(join(this.path, 'secrets.json'), 'utf8')) as {
      database: string;
    };
    const client = new pg.Client({
      host: '127.0.0.1',
      port: this.postmaster.port,
      user: 'postgres',
      password,
      database: 'holdfast',
    });
    client.on('error', () => undefined); // some tests stop the server of this client
    await client.connect();
    return client;
  }

  remove(): void {
    const { home } = this;
    for (const folder of [home, this.base]) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
  }
}

const running = new Set<ServerProcess>();

export class ServerProcess {
  /** The output so far of both streams. */
  output = '';
  /** The exit code or the signal. */
  readonly ended: Promise<number | NodeJS.Signals>;
  private readonly child: ChildProcess;
  private over = false;

  /** `env` is its whole environment besides PATH: it inherits nothing from the tests. */
  constructor(dataDir: DataDir, env: Record<string, string> = {}) {
    this.child = spawn(process.execPath, [MAIN], {
      cwd: tmpdir(), // contains no .env of the checkout
      env: { PATH: process.env['PATH'], NODE_ENV: 'test', PORT: '0', DATA_DIR: dataDir.path, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    running.add(this);
    this.ended = once(this.child, 'close').then(([code, signal]) => {
      this.over = true;
      running.delete(this);
      return (code ?? signal) as number | NodeJS.Signals;
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Returns the output lines that look like a reason for the end. */
  get complaints(): string[] {
    return this.output.split('\n').filter((line) => /FATAL|ERROR|\bat .*:\d+:\d+/.test(line));
  }

  /** Waits until the server accepts requests. */
  async ready(): Promise<Api> {
    await this.prints(/serves on http/);
    const [, url] = /serves on (http:\/\/\S+)/.exec(this.output) ?? [];
    return new Api((url as string).replace('localhost', '127.0.0.1'));
  }

  async prints(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(this.output) || this.over, `the server to print ${pattern}`, 120_000);
    if (!pattern.test(this.output)) throw new Error(`Ended without printing ${pattern}:\n${this.output}`);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Sends a stop signal and waits until the process has ended. */
  stop(): Promise<number | NodeJS.Signals> {
    this.signal('SIGTERM');
    return this.ended;
  }
}

/** Kills the processes that a failed test left running. */
export async function killAll(): Promise<void> {
  await Promise.all([...running].map((server) => (server.signal('SIGKILL'), server.ended)));
}

/** Waits until a process has ended. */
export async function processEnd(pid: number): Promise<void> {
  await until(() => {
    try {
      return !process.kill(pid, 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ESRCH';
    }
  }, `process ${pid} to end`);
}
