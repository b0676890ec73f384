// Infrastructure of the torture runs: server processes of the built code, own databases and brokers, and a small HTTP client.
import { Buffer } from 'node:buffer';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:http';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect } from 'amqplib';
import pg from 'pg';

const children = new Set();
/** Kills all child processes, at the end of every run. */
export function killAll() {
  for (const child of children) child.kill('SIGKILL');
}
/** Functions that clean up when the run is interrupted. */
const leftovers = new Set();
const disks = new Set();
process.once('exit', () => {
  killAll();
  for (const clear of leftovers) clear();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

export const root = new URL('../..', import.meta.url).pathname;
const secret = 'a secret of more than 32 characters';

export function start(command, args, options = {}) {
  const child = spawn(command, args, options);
  children.add(child);
  child.ended = once(child, 'exit').then(() => children.delete(child));
  return child;
}

/** Creates a temporary folder for this run. */
export function makeFolder(name) {
  const path = mkdtempSync(join(tmpdir(), `torture-${name}-`));
  leftovers.add(() => removeFolder(path));
  return path;
}

/** Creates a folder that is a disk of its own, of `mib` MiB (tmpfs; needs root). */
export function makeDisk(name, mib) {
  const path = makeFolder(name);
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${mib}m`, 'tmpfs', path]);
  disks.add(path);
  return path;
}

/** Removes a folder. Processes that wrote to it may still be ending, so the removal is retried. */
export function removeFolder(path) {
  if (disks.delete(path)) execFileSync('umount', ['-l', path]);
  rmSync(path, { recursive: true, force: true, maxRetries: 10 });
}

/** Waits for a truthy result of `condition`, and returns it. Throws after `ms`. */
export async function until(condition, what, ms = 30_000) {
  for (const began = performance.now(); ; await delay(20)) {
    const answer = await condition();
    if (answer) return answer;
    if (performance.now() - began > ms) throw new Error(`Waited ${ms} ms in vain for ${what}`);
  }
}

/** A script for a process that is ending: another process waits for the response. */
const DROP = `const [, url, name] = process.argv;
  const client = new (require('pg').Client)(url);
  client.connect().then(() => client.query('DROP DATABASE ' + name + ' WITH (FORCE)')).finally(() => client.end())`;

/** Creates a database on the server of DATABASE_URL, else of the machine. */
export async function createDatabase() {
  const url = new URL(process.env.DATABASE_URL ?? 'postgres://postgres@localhost:5432/postgres');
  const name = `torture_${randomBytes(6).toString('hex')}`;
  const onServer = async (sql) => {
    const client = new pg.Client({ connectionString: url.href });
    await client.connect();
    await client.query(sql).finally(() => client.end());
  };
  await onServer(`CREATE DATABASE ${name}`);
  const own = new URL(url.href);
  own.pathname = name;
  const dropNow = () => spawnSync(process.execPath, ['-e', DROP, url.href, name], { cwd: root, timeout: 10_000 });
  leftovers.add(dropNow);
  const drop = () => onServer(`DROP DATABASE ${name} WITH (FORCE)`).finally(() => leftovers.delete(dropNow));
  return { url: own.href, drop };
}

export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A redis-server of the run itself, without persistence. */
export class OwnRedis {
  dir = makeFolder('redis');

  async start() {
    this.port ??= await freePort();
    const where = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.dir, '--save', ''];
    this.child = start('redis-server', where, { stdio: 'ignore' });
    return this;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.child.ended;
  }

  async remove() {
    await this.kill();
    removeFolder(this.dir);
  }
}

const RABBITMQ_BIN = ['/usr/lib/rabbitmq/bin', ...process.env.PATH.split(':')].find((folder) =>
  existsSync(join(folder, 'rabbitmq-server')),
);

/** A RabbitMQ of the run itself, as any user, with its own name server; it shares nothing with the machine. */
export class OwnRabbit {
  dir = makeFolder('rabbit');

  /** Starts or restarts it; `ready()` waits until it responds. */
  async start() {
    if (RABBITMQ_BIN === undefined) throw new Error('rabbitmq-server is not installed.');
    this.ports ??= { amqp: await freePort(), distribution: await freePort(), names: await freePort() };
    this.names ??= start('epmd', ['-port', String(this.ports.names), '-address', '127.0.0.1'], { stdio: 'ignore' });
    mkdirSync(join(this.dir, 'data'), { recursive: true });
    writeFileSync(join(this.dir, 'plugins'), '[].');
    // With RABBITMQ_ALLOW_INPUT the script becomes the server process, so that it receives the signals.
    const env = {
      PATH: process.env.PATH,
      HOME: this.dir, // the folder of the Erlang cookie
      ERL_EPMD_PORT: String(this.ports.names),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_ALLOW_INPUT: '1',
      RABBITMQ_NODENAME: `torture-${this.ports.amqp}@localhost`,
      RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
      RABBITMQ_NODE_PORT: String(this.ports.amqp),
      RABBITMQ_DIST_PORT: String(this.ports.distribution),
      RABBITMQ_CONF_ENV_FILE: '/dev/null',
      RABBITMQ_CONFIG_FILE: join(this.dir, 'rabbitmq'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(this.dir, 'advanced'),
      RABBITMQ_ENABLED_PLUGINS_FILE: join(this.dir, 'plugins'),
      RABBITMQ_GENERATED_CONFIG_DIR: join(this.dir, 'data', 'config'),
      RABBITMQ_MNESIA_BASE: join(this.dir, 'data'),
      RABBITMQ_LOG_BASE: join(this.dir, 'log'),
    };
    this.child = start(join(RABBITMQ_BIN, 'rabbitmq-server'), ['-noinput'], { env, stdio: 'ignore' });
    return this;
  }

  get url() {
    return `amqp://guest:guest@127.0.0.1:${this.ports.amqp}`;
  }

  async ready() {
    const answers = async () => {
      const connection = await connect(this.url, { timeout: 1_000 }).catch(() => null);
      await connection?.close();
      return connection !== null;
    };
    await until(answers, 'RabbitMQ', 60_000);
    return this;
  }

  async kill() {
    this.child.kill('SIGKILL');
    await this.child.ended;
  }

  /** Deletes the data of a killed broker, so that it starts as a new one. */
  wipe() {
    rmSync(join(this.dir, 'data'), { recursive: true, force: true });
  }

  async remove() {
    await this.kill();
    this.names.kill('SIGKILL');
    removeFolder(this.dir);
  }
}

/** A server process. `imports`: modules that are loaded before it, which a red twin needs. */
export class Server {
  agent = new Agent({ keepAlive: true, maxSockets: 64 });
  output = '';

  constructor(env, imports = []) {
    const secrets = { JWT_SECRET: secret, SESSION_SECRET: secret, COOKIE_SECRET: secret };
    const args = imports.flatMap((path) => ['--import', path]);
    this.child = start(process.execPath, [...args, join(root, 'dist/src/main.js')], {
      cwd: tmpdir(),
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'test',
        PORT: '0',
        LOG_LEVEL: 'info',
        LOG_FORMAT: 'json',
        ...secrets,
        ...env,
      },
    });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (this.output = (this.output + text).slice(-20_000)));
  }

  async ready() {
    await until(() => {
      if (this.child.exitCode !== null) throw new Error(this.output);
      return /serves on http:\/\/[^ ]+/.test(this.output);
    }, 'a server');
    this.port = Number(/serves on http:\/\/[^: ]+:(\d+)/.exec(this.output)[1]);
    return this;
  }

  /** Resolves with status, body and headers; rejects without a response. */
  call(method, path, { token, body, headers } = {}) {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const call = request(
        {
          ...{ host: '127.0.0.1', port: this.port, agent: this.agent, method, path },
          headers: {
            ...(token && { authorization: `Bearer ${token}` }),
            ...(text && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
            ...headers,
          },
        },
        (response) => {
          let all = '';
          response.setEncoding('utf8').on('error', reject); // the response was cut off
          response.on('data', (part) => (all += part));
          response.on('end', () => {
            const json = /json/.test(response.headers['content-type'] ?? '') && all !== '';
            resolve({ status: response.statusCode, headers: response.headers, body: json ? JSON.parse(all) : all });
          });
        },
      );
      call.on('error', reject);
      call.end(text);
    });
  }

  async stop() {
    this.child.kill('SIGTERM');
    await this.child.ended;
    this.agent.destroy();
  }
}

/** A seeded generator of numbers in [0, 1) (mulberry32). */
export function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
